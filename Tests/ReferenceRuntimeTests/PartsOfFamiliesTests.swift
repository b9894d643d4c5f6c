import CheckpointConversion
import FileBytes
import Foundation
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

/// Conversions of every family in parts.
@Suite("Parts of every family")
struct PartsOfFamiliesTests {
  @Test("the joined file is that of one run", arguments: GoldenModel.families + GoldenModel.others)
  func joined(name: String) throws {
    let folder = try TemporaryFolder()
    let made = try ConvertibleCheckpoint(
      copying: GoldenModel(name).folder, to: folder.path("checkpoint"))
    let single = try made.plan(.q8_0, to: folder.path("single.gguf"))
    _ = try single.executor.run(ExecutionOptions(threadCount: 2))
    let divided = try made.plan(.q8_0, to: folder.path("divided.gguf"))
    for part in RunPart.all(of: 3).reversed() {
      var options = ExecutionOptions(threadCount: 2)
      options.part = part
      _ = try divided.executor.run(options)
    }
    _ = try divided.executor.join(ExecutionOptions(threadCount: 2))
    let files = try [single, divided].map { try Data(contentsOf: URL(fileURLWithPath: $0.path)) }
    #expect(files[0] == files[1])
  }
}
