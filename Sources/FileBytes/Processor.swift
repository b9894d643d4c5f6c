internal import Foundation

#if canImport(Darwin)
  internal import Darwin
#endif

/// What the processor of this machine is.
package enum Processor {
  /// Threads for arithmetic unless the user says otherwise: on Apple silicon the performance cores, whose work would wait
  /// for the efficiency cores', elsewhere all cores that this process may use.
  package static var threadCount: Int {
    #if canImport(Darwin)
      var count: Int32 = 0
      var size = MemoryLayout<Int32>.size
      if sysctlbyname("hw.perflevel0.logicalcpu", &count, &size, nil, 0) == 0, count > 0 {
        return min(Int(count), ProcessInfo.processInfo.activeProcessorCount)
      }
    #endif
    return ProcessInfo.processInfo.activeProcessorCount
  }

  /// The maker's name for it; `nil` where the system does not tell.
  package static var name: String? {
    #if canImport(Darwin)
      var size = 0
      guard sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0) == 0, size > 1 else { return nil }
      var bytes = [UInt8](repeating: 0, count: size)
      guard sysctlbyname("machdep.cpu.brand_string", &bytes, &size, nil, 0) == 0 else { return nil }
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    #else
      let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
      let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
      return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    #endif
  }
}
