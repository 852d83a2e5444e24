/// A request's route and what its path's variables stand for.
public struct RouteMatch: Sendable, Equatable {
    public let route: Route
    /// In the path's order, percent-decoded.
    public let parameters: [(name: String, value: String)]

    public static func == (one: RouteMatch, other: RouteMatch) -> Bool {
        one.route == other.route && one.parameters.elementsEqual(other.parameters, by: ==)
    }
}

/// Finds a request's route as API Gateway does: a full match of path and method before a greedy one before `$default`; among
/// these the path that is literal where the other has a variable, from the left; and a method of its own before `ANY`.
///
/// A REST API's resource is chosen by the path alone: where it has neither the method nor `ANY`, nothing else is tried.
public struct RouteTable: Sendable {
    private let routes: [Route]
    private let kind: RouteDomain.Kind

    public init(_ routes: [Route], kind: RouteDomain.Kind) {
        self.routes = routes.sorted { Self.precedes($0.key, $1.key) }
        self.kind = kind
    }

    /// - Parameters:
    ///   - path: as on the wire, without the query; begins with `/`.
    ///   - decoded: undoes percent-encoding; nil for what is broken, which then stands for itself.
    public func match(method: String, path: Substring, decoded: (Substring) -> String?) -> RouteMatch? {
        var segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        if kind == .rest, segments.count > 1, segments.last == "" { segments.removeLast() }
        var resource: String?
        for route in routes {
            guard resource == nil || route.key.path == resource, let parameters = Self.parameters(route.key, segments, decoded) else { continue }
            if route.key.method == nil || route.key.method == method { return RouteMatch(route: route, parameters: parameters) }
            if kind == .rest { resource = route.key.path }
        }
        return nil
    }

    private static func parameters(_ key: RouteKey, _ segments: [Substring], _ decoded: (Substring) -> String?) -> [(name: String, value: String)]? {
        guard key.path != nil else { return [] }
        var parameters: [(name: String, value: String)] = []
        for (index, segment) in key.segments.enumerated() {
            guard index < segments.count else { return nil }
            let actual = segments[index]
            switch segment {
            case .literal(let text): if text != actual, decoded(actual) != text { return nil }
            case .variable(let name):
                if actual.isEmpty { return nil }
                parameters.append((name, decoded(actual) ?? String(actual)))
            case .greedy(let name):
                if actual.isEmpty { return nil }
                let rest = segments[index...].joined(separator: "/")
                parameters.append((name, decoded(Substring(rest)) ?? rest))
                return parameters
            }
        }
        return segments.count == key.segments.count ? parameters : nil
    }

    private static func precedes(_ one: RouteKey, _ other: RouteKey) -> Bool {
        let classes = (breadth(one), breadth(other))
        if classes.0 != classes.1 { return classes.0 < classes.1 }
        for (mine, theirs) in zip(one.segments, other.segments) where rank(mine) != rank(theirs) { return rank(mine) < rank(theirs) }
        if one.segments.count != other.segments.count { return one.segments.count > other.segments.count }
        if (one.path ?? "") != (other.path ?? "") { return (one.path ?? "") < (other.path ?? "") }
        return (one.method ?? "~") < (other.method ?? "~")
    }

    private static func breadth(_ key: RouteKey) -> Int {
        guard key.path != nil else { return 2 }
        if case .greedy? = key.segments.last { return 1 }
        return 0
    }

    private static func rank(_ segment: RouteKey.Segment) -> Int {
        switch segment {
        case .literal: 0
        case .variable: 1
        case .greedy: 2
        }
    }
}
