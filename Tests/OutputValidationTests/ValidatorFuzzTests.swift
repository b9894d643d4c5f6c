import CheckpointConversion
import FileBytes
import Foundation
import GGUFFormat
import OutputValidation
import QuantRecipes
import TestSupport
import Testing

@Suite("Damaged files")
struct ValidatorFuzzTests {
  private let folder: TemporaryFolder
  private let source: String
  private let good: [UInt8]
  private let headerCount: Int

  init() throws {
    folder = try TemporaryFolder()
    source = try TinyCheckpoint(seed: 11).write(in: folder)
    var request = ConversionRequest(source: source, outputType: .mix(.q8_0))
    request.outputPath = folder.path("good.gguf")
    _ = try ConversionPlanner.prepareCheckpoint(request).executor.run(ExecutionOptions(threadCount: 1))
    good = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path("good.gguf"))))
    headerCount = try GGUFHeader(parsing: good, file: "good").dataStart
  }

  private func validate(_ bytes: [UInt8], against: Bool) throws -> ValidationReport {
    let path = try folder.write("damaged.gguf", bytes)
    var options = ValidationOptions(threadCount: 2)
    if against { options.source = source }
    return try Validator(path: path, options: options).run()
  }

  /// Whatever is in the header, the result is a report or an error with a message; nearly every change of metadata
  /// or of the table is told.
  @Test func survivesMutatedHeaders() throws {
    var mutator = HeaderMutator(seed: 77)
    var kinds: Set<Finding.Kind> = []
    var silent = 0
    let rounds = fuzzRounds(600)
    for round in 0..<rounds {
      let header = mutator.mutate(Array(good[..<headerCount]))
      guard header != Array(good[..<headerCount]) else { continue }
      do {
        let report = try validate(header + good[headerCount...], against: round % 4 == 0)
        kinds.formUnion(report.findings.map(\.kind))
        if report.isSound { silent += 1 }
      } catch let error as any FaultError {
        #expect(!error.fault.found.isEmpty)
      }
    }
    #expect(kinds.count >= 6, "\(kinds)")
    // Names, descriptions and texts of tokens may change without a contradiction.
    #expect(silent < rounds / 2, "\(silent)")
  }

  /// Every flipped bit in tensor data is found against the source, and located in its tensor.
  @Test func findsFlippedBits() throws {
    let tensors = try GGUFHeader(parsing: good, file: "good").tensors
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<fuzzRounds(60) {
      let tensor = try #require(tensors.randomElement(using: &generator))
      var bytes = good
      let position = headerCount + tensor.offset + Int.random(in: 0..<tensor.byteCount, using: &generator)
      bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      let report = try validate(bytes, against: true)
      #expect(!report.isSound)
      #expect(
        report.findings.contains { $0.severity == .error && $0.subject.description == tensor.name },
        "\(tensor.name) at \(position): \(report.findings)")
    }
  }
}
