import CheckpointConversion
import FileBytes
import Foundation
import ImportanceData
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

/// Several outputs of one source, made together and each by a run of its own.
struct ManyOutputs {
  let request: ConversionRequest
  let isCheckpoint: Bool
  let folder: TemporaryFolder

  init(_ request: ConversionRequest, in folder: TemporaryFolder) {
    self.request = request
    self.folder = folder
    isCheckpoint = FileSystem.kind(of: request.source) == .folder
  }

  /// Plans outputs into a folder inside of the test's own.
  func prepare(_ choices: [OutputChoice], in place: String = "many") throws -> [PreparedConversion] {
    let target = folder.path(place)
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    var request = request
    request.outputPath = target
    return try isCheckpoint
      ? ConversionPlanner.prepareCheckpoint(request, outputs: choices)
      : ConversionPlanner.prepareGGUF(request, outputs: choices)
  }

  /// The bytes of each output's files as a run of its own makes them, by file name.
  func expected(_ choices: [OutputChoice]) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for choice in choices {
      let single = try prepare([choice], in: "single")[0]
      if FileSystem.kind(of: single.path) == .missing {
        _ = try single.executor.run(ExecutionOptions(threadCount: 1))
      }
      for file in single.plan.files { files[FileSystem.name(of: file.path)] = try contents(file.path) }
    }
    return files
  }

  /// All files of the folder, by name.
  func found(in place: String = "many") throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in FileSystem.contents(of: folder.path(place)) {
      files[name] = try contents(folder.path(place) + "/" + name)
    }
    return files
  }

  /// Expects the folder to hold these files and no others.
  func expectFiles(
    _ expected: [String: [UInt8]], in place: String = "many", _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try found(in: place)
    #expect(found.keys.sorted() == expected.keys.sorted(), comment, sourceLocation: sourceLocation)
    for (name, bytes) in expected {
      #expect(
        found[name] == bytes, "\(name) \(comment.map { "\($0)" } ?? "")", sourceLocation: sourceLocation)
    }
  }

  /// Importance data for the matrices of ``TinyGGUF`` but the output's, with an expert that no token reached.
  static func writeImportance(to folder: TemporaryFolder) throws -> String {
    func sum(_ matrix: Int, _ column: Int) -> Float {
      Float((matrix * 37 + column * column * 11) % 64 + 1) / 8
    }
    let matrices = TinyGGUF().tensors.filter { $0.shape.count > 1 && $0.name != "output.weight" }
    let records = matrices.map { tensor -> ImportanceRecord in
      var sums: [Float] = []
      var counts: [Int64] = []
      for matrix in 0..<tensor.shape.dropFirst(2).reduce(1, *) {
        let count: Int64 = matrix == 1 ? 0 : 40 + 8 * Int64(matrix)
        counts.append(count)
        sums += (0..<tensor.shape[0]).map { sum(matrix, $0) * Float(count) }
      }
      return ImportanceRecord(name: tensor.name, sums: sums, counts: counts)
    }
    let file = try ImportanceFile(
      format: .gguf, records: records, datasets: [Array("text".utf8)], chunkCount: 1, chunkSize: 64)
    return try folder.write("importance.gguf", try file.encodedAsGGUF())
  }
}

extension OutputChoice {
  /// An output of a stock mix.
  static func mix(_ mix: StockMix) -> OutputChoice { OutputChoice(.mix(mix)) }
}
