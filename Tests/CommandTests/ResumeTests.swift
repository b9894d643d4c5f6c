import Foundation
import Synchronization
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs that ended between two of their last steps, while files get their final names.
@Suite("Continuing a run that ended while renaming")
struct ResumeTests {
  private static let sample = RepositoryFiles.sample

  private struct Outcome: Decodable {
    var files: [String]
    var resumedBytes: Int
    var sourceBytes: Int
  }

  private let folder: TemporaryFolder
  private let arguments: [String]
  private let journal: String

  init() throws {
    folder = try TemporaryFolder()
    arguments = [
      Self.sample, "--outtype", "q8_0", "--outfile", folder.path("out.gguf"), "--split-max-size", "4M",
      "--json",
      "-t", "1",
    ]
    journal = folder.path("out-00001-of-00003.gguf.journal")
  }

  /// Gives a file a second name as soon as it exists.
  private final class Linker: Sendable {
    private let isStopped = Atomic<Bool>(false)

    init(_ path: String, to second: String) {
      Thread.detachNewThread {
        while !self.isStopped.load(ordering: .relaxed), link(path, second) != 0 { usleep(200) }
      }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }
  }

  private func convert() throws -> Outcome {
    let run = try CommandRun("pouch-convert", arguments)
    #expect(run.status == 0, "\(run.errors)")
    return try JSONDecoder().decode(Outcome.self, from: Data(run.output.utf8))
  }

  private func contents() throws -> [String: Data] {
    var result: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.url.path) {
      result[name] = try Data(contentsOf: folder.url.appendingPathComponent(name))
    }
    return result
  }

  @Test("the same command finishes it", arguments: [0, 1, 3])
  func finishes(renamed: Int) throws {
    let kept = folder.path("kept")
    let linker = Linker(journal, to: kept)
    let first = try convert()
    linker.stop()
    try #require(first.files.count == 3 && FileManager.default.fileExists(atPath: kept))
    try FileManager.default.moveItem(
      atPath: kept, toPath: folder.path("../" + folder.url.lastPathComponent + ".j"))
    let outside = folder.url.path + ".j"
    defer { try? FileManager.default.removeItem(atPath: outside) }
    let expected = try contents()

    // Back to the state after `renamed` files got their names.
    for path in first.files.dropFirst(renamed) {
      try FileManager.default.moveItem(atPath: path, toPath: path + ".partial")
    }
    try FileManager.default.copyItem(atPath: outside, toPath: journal)
    let second = try convert()
    #expect(second.resumedBytes == second.sourceBytes)
    #expect(try contents() == expected)

    // Without the journal nothing says whose files these are.
    let third = try CommandRun("pouch-convert", arguments)
    #expect(third.status == 3 && third.lastErrorLine.contains("--force"), "\(third.errors)")
    #expect(try contents() == expected)
  }

  @Test("a file of another size or header is never taken back")
  func foreignFile() throws {
    let kept = folder.path("kept")
    let linker = Linker(journal, to: kept)
    let first = try convert()
    linker.stop()
    try #require(FileManager.default.fileExists(atPath: kept))
    try FileManager.default.moveItem(atPath: kept, toPath: journal)
    let url = URL(fileURLWithPath: first.files[1])
    var bytes = try Data(contentsOf: url)
    bytes[100] ^= 1
    try bytes.write(to: url)
    let before = try contents()
    let run = try CommandRun("pouch-convert", arguments)
    #expect(run.status == 3 && run.lastErrorLine.contains(first.files[1]), "\(run.errors)")
    #expect(try contents() == before)
  }
}
