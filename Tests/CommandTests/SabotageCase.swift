import Foundation
import TestSupport
import Testing

/// A good file spoiled in one way, and what must be said about it.
struct SabotageCase: CustomTestStringConvertible, Sendable {
  /// What is wrong.
  let name: String
  /// The kind that the finding must have.
  let kind: String
  /// What its subject and place must contain.
  let location: [String]
  /// The exit code without and with `--strict`.
  var status: [Int32] = [3, 3]
  /// What the words of the finding must contain.
  var words: [String] = []
  /// Changes the parts of the file.
  var change: @Sendable (inout EditableGGUF) throws -> Void = { _ in }
  /// Changes the bytes of the file.
  var spoil: @Sendable (inout [UInt8]) throws -> Void = { _ in }

  var testDescription: String { name }

  /// The part of a report that tests look at.
  struct Report: Decodable {
    struct Finding: Decodable {
      var severity: String
      var kind: String
      var subject: String
      var place: String
      var expected: String
      var found: String
    }
    struct Against: Decodable {
      struct Tensor: Decodable {
        var name: String
        var verdict: String
        var diagnosis: String?
        var relativeError: Double
      }
      var verdict: String
      var exactTensors: Int
      var comparedTensors: Int
      var tensors: [Tensor]
    }
    struct Mix: Decodable {
      var stated: String?
      var recognised: String?
      var isPure: Bool
    }
    var isSound: Bool
    var findings: [Finding]
    var against: Against?
    var mix: Mix?
  }

  static func report(_ run: CommandRun) throws -> Report {
    try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
  }

  /// Validates the spoiled form of `good` and expects the finding.
  func check(_ good: EditableGGUF, in folder: TemporaryFolder, arguments: [String]) throws {
    var file = good
    try change(&file)
    var bytes = try file.encoded()
    try spoil(&bytes)
    let path = try folder.write("spoiled.gguf", bytes)
    for (flags, wanted) in zip([[], ["--strict"]], status) {
      let run = try CommandRun("pouch-validate", [path, "--json"] + flags + arguments)
      #expect(!run.wasKilled && run.status == wanted, "status \(run.status): \(run.errors)")
      let report = try Self.report(run)
      let found = report.findings.filter { $0.kind == kind }
      let text = report.findings.map { "\($0.severity) \($0.kind) \($0.subject), \($0.place): \($0.found)" }
        .joined(separator: "\n")
      let match = found.first { finding in
        location.allSatisfy { "\(finding.subject), \(finding.place)".contains($0) }
          && words.allSatisfy { "\(finding.expected) \(finding.found)".contains($0) }
      }
      #expect(match != nil, "no \(kind) at \(location) with \(words) in:\n\(text)")
      if wanted != 0 {
        #expect(run.errorLines.count == 1 && run.lastErrorLine.contains("spoiled.gguf"), "\(run.errors)")
      }
    }
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(left.sorted() == ["spoiled.gguf"], "\(left)")
  }
}

/// The sample as Q4_K_M, made once for all suites.
enum SampleFile {
  static let checkpoint = RepositoryFiles.sample

  private static let folder = Result { try TemporaryFolder() }

  /// The parts of the good file.
  static let q4KM: Result<EditableGGUF, any Error> = Result {
    let path = try folder.get().path("good.gguf")
    let run = try CommandRun.convert(checkpoint, "--outtype", "Q4_K_M", "--outfile", path, "-q")
    try #require(run.status == 0, "\(run.errors)")
    return try EditableGGUF(path: path)
  }
}
