internal import Foundation

#if canImport(Darwin)
  internal import Darwin
#endif

/// What the operating system says this process used.
package enum ProcessMemory {
  /// The peak resident set in bytes, mapped files included; 0 where it is not known.
  package static var peakResidentByteCount: Int {
    #if canImport(Darwin)
      var usage = rusage()
      return getrusage(RUSAGE_SELF, &usage) == 0 ? Int(usage.ru_maxrss) : 0
    #else
      return statusField("VmHWM:")
    #endif
  }

  /// The resident anonymous memory in bytes now; 0 where it is not known.
  package static var anonymousByteCount: Int { statusField("RssAnon:") }

  /// The memory that this process holds apart from what it is about to count: anonymous memory, and what may be fetched
  /// ahead of its readers.
  package static var heldByteCount: Int { anonymousByteCount + RemoteFiles.windowByteCount }

  private static func statusField(_ name: String) -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      let digits = line.drop { !$0.isNumber }.prefix { $0.isNumber }
      return (Int(digits) ?? 0) * 1024
    }
    return 0
  }
}
