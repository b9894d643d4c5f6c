import FileBytes
import Foundation
import TestSupport
import Testing

@Suite("Limits of control groups")
struct MachineMemoryTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(_ path: String, _ text: String) throws {
    let url = folder.url.appendingPathComponent(path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  private func limit(_ groups: String) -> Int? { MachineMemory.limit(groups: groups, root: folder.url.path) }

  @Test("the least limit from a group up to the root holds, in both versions")
  func least() throws {
    try write("memory/a/b/memory.limit_in_bytes", "5000000\n")
    try write("memory/a/memory.limit_in_bytes", "3000000\n")
    try write("memory/memory.limit_in_bytes", "9223372036854771712\n")
    #expect(limit("5:cpu:/\n4:memory:/a/b\n") == 3_000_000)
    #expect(limit("4:memory:/a\n") == 3_000_000)
    #expect(limit("4:memory:/\n") == nil)
    #expect(limit("5:cpu,memory:/a/b\n") == 3_000_000)
    try write("x.slice/y/memory.max", "7000000\n")
    try write("x.slice/memory.max", "max\n")
    #expect(limit("0::/x.slice/y\n") == 7_000_000)
    #expect(limit("0::/x.slice\n") == nil)
    #expect(limit("4:memory:/a/b\n0::/x.slice/y\n") == 3_000_000)
  }

  @Test("a path of another namespace falls back to what is mounted")
  func namespace() throws {
    try write("memory.max", "4000000\n")
    #expect(limit("0::/docker/0123\n") == 4_000_000)
    #expect(limit("") == nil && limit("nonsense\n1:2\n") == nil)
  }

  @Test("this machine has memory")
  func here() throws {
    let total = try #require(MachineMemory.totalByteCount)
    let available = try #require(MachineMemory.availableByteCount)
    #expect(total > 1 << 26 && available > 0 && available <= total)
  }
}
