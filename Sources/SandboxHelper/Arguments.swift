import Glibc
import LinuxPrimitives

struct Arguments {
    var data = "."
    var uidFirst: UInt32 = 200_000
    var uidCount: UInt32 = 65_536
    var pythonPrefixes: [String] = []
    var instance = "default"
    /// Folder of the executables and of the fork library.
    var home = ""
    var openFiles: UInt32 = 1024
    var fileSizeMB: UInt64 = 10_240
    var fastCgroupMoves = false
    var egress = Egress.Settings()

    init(_ words: [String]) throws {
        var words = words.dropFirst()
        func number<N: FixedWidthInteger>(_ text: String, _ option: String) throws -> N {
            guard let value = N(text) else { throw LinuxError("\(option) \(text) is not a number", EINVAL) }
            return value
        }
        while let option = words.popFirst() {
            guard let value = words.popFirst() else { throw LinuxError("\(option) lacks its value", EINVAL) }
            switch option {
            case "--data": data = value
            case "--uid-first": uidFirst = try number(value, option)
            case "--uid-count": uidCount = try number(value, option)
            case "--python": pythonPrefixes.append(value)
            case "--instance": instance = value
            case "--home": home = value
            case "--fast-cgroup-moves": fastCgroupMoves = value == "yes"
            case "--egress-range": egress.range = value
            case "--egress-ahead": egress.isAhead = value == "yes"
            case "--name-server": egress.nameServers.append(value)
            case "--refuse": egress.refused.append(value)
            case "--allow": egress.allowed.append(value)
            case "--uplink": egress.uplinks.append(value)
            case "--open-files": openFiles = try number(value, option)
            case "--file-size-mb": fileSizeMB = try number(value, option)
            default: throw LinuxError("unknown option \(option)", EINVAL)
            }
        }
        guard uidFirst >= 1000, uidCount >= 64, uidFirst &+ uidCount > uidFirst else { throw LinuxError("the uid range is unusable", EINVAL) }
    }
}
