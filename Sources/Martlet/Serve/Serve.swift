/// `martlet serve`: the process the person sees. It holds the listening socket and the data directory's lock and keeps the
/// two others running: the server, which faces the network without privileges, and the sandbox helper.
func runServe(_ options: ServeOptions) async throws {
    let loaded = try options.load()
    try validateListen(loaded.configuration.listen, dev: loaded.configuration.dev)
    try Supervisor(configuration: loaded.configuration, options: options).run()
}
