internal import Foundation

#if canImport(Darwin)
  internal import Darwin
#endif

/// What memory there is for this process, limits of its control groups included.
package enum MachineMemory {
  /// Bytes that this process may ever hold: the machine's, or less where a control group says so; `nil` where it is not
  /// known.
  package static var totalByteCount: Int? {
    #if canImport(Darwin)
      return Int(clamping: ProcessInfo.processInfo.physicalMemory)
    #else
      guard let machine = field("MemTotal:", of: "/proc/meminfo", unit: 1024) else { return nil }
      return min(machine, groupLimit ?? .max)
    #endif
  }

  /// Bytes that can be had now, without those that this process holds: memory that nobody uses, and files in memory
  /// that nobody needs; `nil` where it is not known.
  package static var availableByteCount: Int? {
    #if canImport(Darwin)
      return Int(clamping: ProcessInfo.processInfo.physicalMemory)
    #else
      guard let machine = field("MemAvailable:", of: "/proc/meminfo", unit: 1024) else { return nil }
      return min(machine, groupLimit.map { max(0, $0 - ProcessMemory.anonymousByteCount) } ?? .max)
    #endif
  }

  /// The least limit of the control groups that this process is in.
  private static var groupLimit: Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8) else { return nil }
    return limit(groups: text, root: "/sys/fs/cgroup")
  }

  /// Finds the least limit above a process.
  ///
  /// - Parameters:
  ///   - groups: The content of `/proc/PID/cgroup`: `hierarchy:controllers:path`, one a line.
  ///   - root: Where control groups are mounted.
  /// - Returns: The limit in bytes; `nil` without one.
  package static func limit(groups: String, root: String) -> Int? {
    var found: [Int] = []
    for line in groups.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("memory") else { continue }
      // Inside a container the path may be that of the machine, and the group is then the root.
      let folder = isUnified ? root : root + "/memory"
      var path = String(parts[2])
      while true {
        let file = folder + path + (isUnified ? "/memory.max" : "/memory.limit_in_bytes")
        if let text = try? String(contentsOfFile: file, encoding: .utf8),
          let bytes = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)), bytes < 1 << 60
        {
          found.append(bytes)
        }
        guard let slash = path.lastIndex(of: "/"), !path.isEmpty else { break }
        path = String(path[..<slash])
      }
    }
    return found.min()
  }

  private static func field(_ name: String, of path: String, unit: Int) -> Int? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return Int(line.drop { !$0.isNumber }.prefix { $0.isNumber }).map { $0 * unit }
    }
    return nil
  }
}
