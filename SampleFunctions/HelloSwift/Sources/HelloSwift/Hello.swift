import MartletRuntime

@main struct Hello {
    static func main() {
        MartletRuntime.run { (event: JSON, context: Context) in
            let name = event["name"]?.string ?? "world"
            print("greeting \(name)")
            return ["message": .string("Hello, \(name)!"), "requestId": .string(context.requestID)]
        }
    }
}
