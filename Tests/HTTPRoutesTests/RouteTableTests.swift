import FunctionModel
import HTTPRoutes
import Testing

private func table(_ keys: [String], kind: RouteDomain.Kind = .http) throws -> RouteTable {
    RouteTable(try keys.map { Route(key: try RouteKey($0), function: $0) }, kind: kind)
}

/// What a request matches, with its variables, as `KEY name=value…`; nil for nothing.
private func found(_ table: RouteTable, _ method: String, _ path: String) -> String? {
    table.match(method: method, path: path[...]) { $0 == "a%2Fb" ? "a/b" : String($0) }.map { match in
        ([match.route.key.description] + match.parameters.map { "\($0.name)=\($0.value)" }).joined(separator: " ")
    }
}

@Suite struct RouteKeyTests {
    @Test(arguments: ["GET /", "ANY /a/{b}/c", "POST /a/{rest+}", "$default", "DELETE /a-b_c.d~e/", "OPTIONS /{a.b:c-d_e}"])
    func isWrittenAsItWasRead(_ text: String) throws { #expect(try RouteKey(text).description == text) }

    @Test(arguments: [
        "", "GET", "GET ", "GET a", "get /a", "FETCH /a", "GET  /a", "GET /a b", "GET /{", "GET /{}", "GET /{+}", "GET /a{b}", "GET /{a}b", "GET /{a+}/b",
        "GET /{a}/{a}", "GET /a?b", "GET /a%20b", "$other", "ANY", "GET /{a+", "GET /é",
    ])
    func whatIsNoRouteIsRefused(_ text: String) { #expect(throws: ServiceError.self) { try RouteKey(text) } }

    @Test func lengthsAreBounded() throws {
        _ = try RouteKey("GET /" + String(repeating: "a", count: 1_023))
        #expect(throws: ServiceError.self) { try RouteKey("GET /" + String(repeating: "a", count: 1_024)) }
        _ = try RouteKey("GET " + String(repeating: "/a", count: 64))
        #expect(throws: ServiceError.self) { try RouteKey("GET " + String(repeating: "/a", count: 66)) }
    }
}

@Suite struct RouteTableTests {
    /// The example of API Gateway's documentation.
    @Test func precedenceIsApiGateways() throws {
        let table = try table(["$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}", "GET /pets/dog/1"])
        #expect(found(table, "GET", "/pets/dog/1") == "GET /pets/dog/1")
        #expect(found(table, "GET", "/pets/dog/2") == "GET /pets/dog/{id} id=2")
        #expect(found(table, "GET", "/pets/cat/1") == "GET /pets/{proxy+} proxy=cat/1")
        #expect(found(table, "POST", "/test/5") == "ANY /{proxy+} proxy=test/5")
        #expect(found(table, "GET", "/") == "$default")
    }

    @Test func literalsComeBeforeVariablesFromTheLeft() throws {
        let table = try table(["GET /{a}/x", "GET /y/{b}", "GET /{a}/{b}"])
        #expect(found(table, "GET", "/y/x") == "GET /y/{b} b=x")
        #expect(found(table, "GET", "/z/x") == "GET /{a}/x a=z")
        #expect(found(table, "GET", "/z/w") == "GET /{a}/{b} a=z b=w")
    }

    @Test func aMethodOfItsOwnComesBeforeAny() throws {
        let table = try table(["ANY /a", "GET /a", "POST /{x}"])
        #expect(found(table, "GET", "/a") == "GET /a")
        #expect(found(table, "PUT", "/a") == "ANY /a")
        #expect(found(table, "POST", "/a") == "ANY /a")
        #expect(found(table, "POST", "/b") == "POST /{x} x=b")
        #expect(found(table, "GET", "/b") == nil)
    }

    @Test func anHTTPApiTriesTheNextPathForAMethod() throws {
        let keys = ["POST /pets/dog", "GET /pets/{id}"]
        #expect(found(try table(keys), "GET", "/pets/dog") == "GET /pets/{id} id=dog")
        #expect(found(try table(keys, kind: .rest), "GET", "/pets/dog") == nil)
        #expect(found(try table(keys, kind: .rest), "POST", "/pets/dog") == "POST /pets/dog")
    }

    @Test func segmentsAreNeverEmptyAndAreDecoded() throws {
        let table = try table(["GET /f/{name}", "GET /g/{rest+}"])
        #expect(found(table, "GET", "/f/a%2Fb") == "GET /f/{name} name=a/b")
        for path in ["/f/", "/f", "/f//", "/f/a/b", "/g/", "/g", "/g//a", "/"] { #expect(found(table, "GET", path) == nil) }
        #expect(found(table, "GET", "/g/a//b/") == "GET /g/{rest+} rest=a//b/")
    }

    @Test func aSlashAtTheEndCountsInAnHTTPApiAlone() throws {
        #expect(found(try table(["GET /a"]), "GET", "/a/") == nil)
        #expect(found(try table(["GET /a"], kind: .rest), "GET", "/a/") == "GET /a")
        #expect(found(try table(["GET /"], kind: .rest), "GET", "/") == "GET /")
    }

    /// Against a plain reading of the rules: every route that takes the request is a candidate, and none of them is narrower.
    @Test func noNarrowerRouteIsPassedOver() throws {
        var dice = SystemRandomNumberGenerator()
        let parts = ["a", "b", "{v}"]
        for _ in 0..<300 {
            var keys: Set<String> = []
            for _ in 0..<Int.random(in: 1...8, using: &dice) {
                var path = ""
                var names = 0
                for _ in 0..<Int.random(in: 1...3, using: &dice) {
                    let part = parts[Int.random(in: 0..<3, using: &dice)]
                    names += 1
                    path += "/" + (part == "{v}" ? "{v\(names)}" : part)
                }
                if Bool.random(using: &dice) { path += "/{rest+}" }
                keys.insert("\(["GET", "POST", "ANY"][Int.random(in: 0..<3, using: &dice)]) \(path)")
            }
            let table = try table(Array(keys))
            let path = "/" + (0..<Int.random(in: 1...4, using: &dice)).map { _ in ["a", "b", "c"][Int.random(in: 0..<3, using: &dice)] }.joined(separator: "/")
            let takers = keys.filter { takes($0, "GET", path) }
            let match = table.match(method: "GET", path: path[...]) { String($0) }?.route.key.description
            #expect((match == nil) == takers.isEmpty, "\(keys) \(path)")
            guard let match else { continue }
            #expect(takers.contains(match))
            let best = takers.map(rank).min { $0.lexicographicallyPrecedes($1) }
            #expect(rank(match) == best, "\(match) for \(path) among \(takers)")
        }
    }

    private func takes(_ key: String, _ method: String, _ path: String) -> Bool {
        let words = key.split(separator: " ")
        guard words[0] == "ANY" || words[0] == method else { return false }
        var rest = path.split(separator: "/")[...]
        for part in words[1].split(separator: "/") {
            if part.hasSuffix("+}") { return !rest.isEmpty }
            guard let first = rest.popFirst(), part.hasPrefix("{") || part == first else { return false }
        }
        return rest.isEmpty
    }

    /// Smaller is narrower.
    private func rank(_ key: String) -> [Int] {
        let words = key.split(separator: " ")
        let ranks = words[1].split(separator: "/").map { $0.hasSuffix("+}") ? 2 : $0.hasPrefix("{") ? 1 : 0 }
        return [ranks.last == 2 ? 1 : 0] + ranks + [words[0] == "ANY" ? 1 : 0]
    }
}
