import Foundation
import TestSupport
import Testing

/// Models of more files than a process may have open.
@Suite("Many shards")
struct ManyShardsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs a command that may have 40 descriptors.
  private func run(_ command: String, _ arguments: [String]) throws -> (status: Int32, errors: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    let path = CommandRun.executables.appendingPathComponent(command).path
    process.arguments = ["-c", "ulimit -n 40 && exec \"$0\" \"$@\"", path] + arguments
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }

  /// A tiny model cut into one shard per tensor, with experts enough for 200 of them.
  private func checkpoint() throws -> String {
    var tiny = TinyCheckpoint()
    let layer = "model.layers.0.mlp.experts."
    tiny.config["num_experts"] = 64
    let merged = tiny.shards.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
    var tensors = merged
    for expert in 4..<64 {
      for part in ["gate_proj", "up_proj", "down_proj"] {
        tensors["\(layer)\(expert).\(part).weight"] = merged["\(layer)\(expert % 4).\(part).weight"]
      }
    }
    tensors["model.layers.0.mlp.gate.weight"]?.shape = [64, 64]
    tensors["model.layers.0.mlp.gate.weight"]?.bytes = Array(
      (0..<16).map { _ in merged["model.layers.0.mlp.gate.weight"]?.bytes ?? [] }.joined())
    tiny.shards = tensors.sorted { $0.key < $1.key }.map { [$0.key: $0.value] }
    return try tiny.write(in: folder)
  }

  @Test("200 shards are converted, split, compared and inspected with 40 descriptors")
  func conversions() throws {
    let source = try checkpoint()
    let (whole, split) = (folder.path("whole.gguf"), folder.path("split.gguf"))
    for arguments in [[whole], [split, "--split-max-tensors", "1"]] {
      let found = try run("pouch-convert", [source, "--outtype", "q8_0", "--outfile"] + arguments)
      #expect(found.status == 0, "\(found.errors)")
    }
    let shards = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).filter {
      $0.hasPrefix("split-")
    }.sorted()
    let first = folder.path(try #require(shards.first))
    let merged = folder.path("merged.gguf")
    for (command, arguments) in [
      ("pouch-quantize", [first, merged, "COPY"]), ("pouch-validate", [whole, "--against", source]),
      ("pouch-validate", [first, "--against", source]), ("pouch-inspect", [source]),
      ("pouch-inspect", [first]),
    ] {
      let found = try run(command, arguments)
      #expect(found.status == 0, "\(command): \(found.errors)")
    }
  }
}
