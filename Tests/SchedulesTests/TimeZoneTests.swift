import Foundation
import Testing

@testable import Schedules

@Suite struct TimeZoneTests {
    @Test(arguments: [
        "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Australia/Lord_Howe", "Australia/Sydney", "Asia/Kolkata", "Asia/Kathmandu",
        "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca", "Europe/Dublin", "America/Nuuk", "Asia/Tehran", "Pacific/Chatham", "Etc/GMT+5", "UTC",
    ])
    func offsetsAgreeWithFoundation(_ name: String) throws {
        let rules = try database.rules(named: name)
        let reference = try #require(TimeZone(identifier: name))
        // 37 minutes short of six hours, so that every time of day is met.
        for time in stride(from: utc("1971-01-01"), to: utc("2037-01-01"), by: 6 * 3600 - 37 * 60) {
            let expected = Int64(reference.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time))))
            if rules.offset(at: time) != expected {
                Issue.record("\(name) at \(text(time)): \(rules.offset(at: time)), not \(expected)")
                return
            }
        }
    }

    @Test func rulesHoldBeyondTheFilesLastTransition() throws {
        let berlin = try database.rules(named: "Europe/Berlin")
        #expect(berlin.offset(at: utc("2150-03-29T00:59:59")) == 3600)
        #expect(berlin.offset(at: utc("2150-03-29T01:00")) == 7200)
        #expect(berlin.offset(at: utc("2150-10-25T00:59:59")) == 7200)
        #expect(berlin.offset(at: utc("2150-10-25T01:00")) == 3600)
        let sydney = try database.rules(named: "Australia/Sydney")
        #expect(sydney.offset(at: utc("2150-01-15")) == 39_600)
        #expect(sydney.offset(at: utc("2150-07-15")) == 36_000)
    }

    @Test func localTimeIsFoundOnceOrNotAtAll() throws {
        let berlin = try database.rules(named: "Europe/Berlin")
        #expect(berlin.firstMoment(ofLocal: utc("2026-03-29T02:30")) == nil)
        #expect(berlin.firstMoment(ofLocal: utc("2026-03-29T03:00")) == utc("2026-03-29T01:00"))
        #expect(berlin.firstMoment(ofLocal: utc("2026-10-25T02:30")) == utc("2026-10-25T00:30"))
        // Samoa left out a whole day.
        #expect(try database.rules(named: "Pacific/Apia").firstMoment(ofLocal: utc("2011-12-30T12:00")) == nil)
    }

    @Test(arguments: ["", "/etc/passwd", "../passwd", "Europe/../Berlin", "Europe/", "Europe", "right/Europe/Berlin", "Mars/Base", "a\0b", "zone.tab"])
    func namesThatAreNoZoneAreRefused(_ name: String) { #expect(throws: ScheduleError.self) { try database.rules(named: name) } }

    @Test func missingDatabaseIsNamed() {
        #expect { try TimeZoneDatabase(directory: "/nonexistent").rules(named: "Europe/Berlin") } throws: { "\($0)".contains("install the package tzdata") }
    }

    /// Every cut and many damaged copies of a file: refused or read, never a trap.
    @Test func damagedFilesAreRefused() throws {
        let file = try [UInt8](Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/Europe/Berlin")))
        for count in stride(from: 0, to: file.count, by: 3) {
            #expect(throws: ScheduleError.self) { try TimeZoneRules(name: "x", file: Array(file[..<count])) }
        }
        var random = SplitMix(state: 1)
        for _ in 0..<5_000 {
            var copy = file
            for _ in 0..<(1 + random.below(4)) { copy[random.below(copy.count)] = UInt8(random.below(256)) }
            if let rules = try? TimeZoneRules(name: "x", file: copy) { _ = rules.firstMoment(ofLocal: Int64(random.below(4_000_000_000))) }
        }
    }
}
