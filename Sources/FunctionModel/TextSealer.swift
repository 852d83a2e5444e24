/// Makes text unreadable for whoever has the store's file but not the key.
public protocol TextSealer: Sendable {
    /// - Parameter context: what the text belongs to; it opens for nothing else.
    func seal(_ text: String, for context: String) throws -> String
    /// - Throws: for another key or context, and for what was changed.
    func open(_ sealed: String, for context: String) throws -> String
}
