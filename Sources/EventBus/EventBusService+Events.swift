import EventPatterns
import FunctionModel
import JSONValues

/// Events on their way in.
extension EventBusService {
    static let maximumEntries = 10

    func putEvents(_ members: Members, _ caller: Caller) async throws -> JSON {
        guard let list = try members.list("Entries", 1...Self.maximumEntries) else {
            throw Members.fault("Entries", "null", "Member must not be null")
        }
        guard try members.text("EndpointId") == nil else {
            throw EventBusError.invalid("EndpointId is not supported by Martlet: there are no global endpoints.")
        }
        let entries = list.map(EventEntry.init)
        let size = entries.reduce(0) { $0 + $1.size }
        guard size <= BusEvent.maximumBytes else {
            throw EventBusError.invalid(
                "Total size of the entries in the request is over the limit: they have \(size) bytes, \(BusEvent.maximumBytes) are taken.")
        }
        var accepted: [(event: BusEvent, bus: EventBusKey)?] = []
        var faults: [EntryFault?] = []
        for entry in entries {
            do throws(EntryFault) {
                accepted.append(try self.event(of: entry, caller))
                faults.append(nil)
            } catch {
                accepted.append(nil)
                faults.append(error)
            }
        }
        let places = accepted.indices.filter { accepted[$0] != nil }
        for (place, error) in zip(places, try await accept(places.compactMap { accepted[$0] })) { faults[place] = error.map(EntryFault.init) }
        let answers: [JSON] = zip(accepted, faults).map { accepted, fault in
            if let fault { return .object([.init("ErrorCode", .string(fault.code)), .init("ErrorMessage", .string(fault.message))]) }
            return .object([.init("EventId", .string(accepted?.event.id ?? ""))])
        }
        return .object([.init("FailedEntryCount", .integer(faults.filter { $0 != nil }.count)), .init("Entries", .array(answers))])
    }

    private func event(of entry: EventEntry, _ caller: Caller) throws(EntryFault) -> (event: BusEvent, bus: EventBusKey) {
        let name = try entry.busName()
        let key: EventBusKey
        do throws(EventBusError) {
            key = try bus(named: name, caller)
            guard registry.hasBus(key) else { throw Self.noBus(name ?? "") }
        } catch {
            throw error.kind == .resourceNotFound ? EntryFault(error) : .argument("EventBusName", "it must be the name or the ARN of an event bus")
        }
        return (try entry.event(id: .random(), on: key, now: now(), trace: caller.trace), key)
    }

    /// Returns when all deliveries of the events are on the disk.
    /// - Returns: for each event why nothing of it was kept; nil for one that was accepted.
    public func accept(_ events: [(event: BusEvent, bus: EventBusKey)]) async throws -> [EventBusError?] {
        let table = registry.table
        var plans: [EventPlan] = []
        var refusals: [EventBusError?] = []
        for (event, bus) in events {
            do throws(EventBusError) {
                plans.append(try router.plan(event, on: bus, table))
                refusals.append(nil)
            } catch {
                plans.append(EventPlan())
                refusals.append(error)
            }
        }
        let results = try await poster.post(plans)
        for index in events.indices where refusals[index] == nil {
            refusals[index] = results[index]
            guard results[index] == nil else { continue }
            observer.accepted(events[index].bus)
            poster.countMatches(plans[index])
        }
        return refusals
    }

    func testPattern(_ members: Members) throws(EventBusError) -> JSON {
        let pattern = try Self.pattern(try members.required("EventPattern", maximum: 4_096))
        guard let event = try? JSON(parsing: try members.required("Event")), case .object = event else {
            throw .invalid("Parameter Event is not valid. Reason: it is not a JSON object.")
        }
        for name in ["id", "account", "source", "time", "region", "resources", "detail-type"] where event[name] == nil {
            throw .invalid("Parameter Event is not valid. Reason: '\(name)' is missing.")
        }
        return .object([.init("Result", .bool(pattern.matches(event)))])
    }

    static func pattern(_ text: String) throws(EventBusError) -> EventPattern {
        do throws(EventPatternError) { return try EventPattern(parsing: text) } catch {
            throw EventBusError(.invalidEventPattern, error.description)
        }
    }
}
