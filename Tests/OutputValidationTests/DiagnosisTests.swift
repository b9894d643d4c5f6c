import FileBytes
import Foundation
import OutputValidation
import TestSupport
import Testing

/// A conversion with one step left out, taken twice or taken in vain.
///
/// What is tried follows from the rules of each family; none of those here is named in the module.
@Suite("Diagnosis from the rules of a family")
struct DiagnosisTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  struct Mistake: CustomTestStringConvertible, Sendable {
    var family: String
    var tensor: String
    var kind: Finding.Kind
    var words: String
    var change: @Sendable (inout [Float], Int) -> Void

    init(
      _ family: String, _ tensor: String, _ kind: Finding.Kind, _ words: String,
      _ change: @escaping @Sendable (inout [Float], Int) -> Void
    ) {
      self.family = family
      self.tensor = tensor
      self.kind = kind
      self.words = words
      self.change = change
    }

    var testDescription: String { "\(family) \(tensor): \(words)" }
  }

  /// Row i becomes row `order(i)`.
  private static func rows(_ values: inout [Float], _ length: Int, _ order: (Int) -> Int) {
    let old = values
    for row in 0..<values.count / length {
      let from = order(row) * length
      values.replaceSubrange(row * length..<(row + 1) * length, with: old[from..<from + length])
    }
  }

  /// The dimension of a head that comes to place `within` when halves are made pairs.
  private static func paired(_ within: Int, of count: Int) -> Int { within / 2 + within % 2 * (count / 2) }
  /// The dimension that comes there when pairs are made halves.
  private static func halved(_ within: Int, of count: Int) -> Int {
    within % (count / 2) * 2 + within / (count / 2)
  }

  private static func pairHeads(_ values: inout [Float], _ length: Int) {
    rows(&values, length) { $0 / 16 * 16 + paired($0 % 16, of: 16) }
  }

  private static func halveHeads(_ values: inout [Float], _ length: Int) {
    rows(&values, length) { $0 / 16 * 16 + halved($0 % 16, of: 16) }
  }

  private static func add(_ offset: Float) -> @Sendable (inout [Float], Int) -> Void {
    { values, _ in values = values.map { $0 + offset } }
  }

  static let mistakes: [Mistake] = [
    Mistake("olmoe", "blk.0.attn_q_norm.weight", .normOffset, "one more", add(1)),
    Mistake("olmoe", "output_norm.weight", .normOffset, "stored whole", add(1)),
    Mistake(
      "olmoe", "blk.1.attn_k.weight", .rotaryOrder, "permuted for adjacent rotary pairs", pairHeads),
    Mistake("dots1", "blk.0.ffn_norm.weight", .normOffset, "one more", add(1)),
    Mistake("dots1", "blk.1.attn_q.weight", .rotaryOrder, "does not want", pairHeads),
    Mistake("dots1", "blk.1.attn_q.weight", .rotaryOrder, "permuted back", halveHeads),
    Mistake(
      "deepseek", "blk.0.attn_q.weight", .rotaryOrder, "permutation for rotary pairs is missing", halveHeads),
    Mistake("deepseek", "blk.1.attn_k.weight", .rotaryOrder, "rotary pairs twice", pairHeads),
    // A head's matrix from 32 latent values to 16 of a key: 32 rows of 16 here, 16 rows of 32 in the checkpoint.
    Mistake("deepseek_v2", "blk.1.attn_k_b.weight", .storedOrder, "transposition is missing") { values, _ in
      let old = values
      for place in values.indices {
        let (head, within) = (place / 512 * 512, place % 512)
        values[place] = old[head + within % 32 * 16 + within / 32]
      }
    },
    Mistake("deepseek_v2", "blk.0.attn_k_b.weight", .storedOrder, "transposed twice") { values, _ in
      let old = values
      for place in values.indices {
        let (head, within) = (place / 512 * 512, place % 512)
        values[place] = old[head + within % 16 * 32 + within / 16]
      }
    },
    Mistake("deepseek_v2", "blk.0.attn_kv_a_norm.weight", .normOffset, "one more", add(1)),
    // Heads of 16 rows that do not turn and 8 that do.
    Mistake("deepseek_v2", "blk.0.attn_q_b.weight", .rotaryOrder, "the source has already") {
      values, length in
      rows(&values, length) { row in
        row % 24 < 16 ? row : row / 24 * 24 + 16 + paired(row % 24 - 16, of: 8)
      }
    },
    Mistake("deepseek_v2", "blk.1.attn_kv_a_mqa.weight", .rotaryOrder, "taken apart into halves") {
      values, length in
      rows(&values, length) { $0 < 32 ? $0 : 32 + halved($0 - 32, of: 8) }
    },
    Mistake("glm4_moe", "blk.0.attn_k.weight", .rotaryOrder, "rows permuted for adjacent", pairHeads),
    Mistake("glm4_moe", "blk.1.attn_q.bias", .rotaryOrder, "values permuted for adjacent") { values, _ in
      pairHeads(&values, 1)
    },
    Mistake("glm4_moe", "blk.1.post_attention_norm.weight", .normOffset, "one more", add(1)),
    // For each of two key heads 16 rows of the query, 16 of the key, 48 of three value heads.
    Mistake("qwen3_next", "blk.0.attn_qkv.weight", .storedOrder, "rows in the checkpoint's order") {
      values, length in
      rows(&values, length) { row in
        let (head, within) = (row / 80, row % 80)
        return within < 16
          ? head * 16 + within : within < 32 ? 32 + head * 16 + within - 16 : 64 + head * 48 + within - 32
      }
    },
    Mistake("qwen3_next", "blk.0.attn_gate.weight", .valueHeadOrder, "tiled over key heads") {
      values, length in
      rows(&values, length) { [0, 3, 1, 4, 2, 5][$0 / 16] * 16 + $0 % 16 }
    },
    Mistake("qwen3_next", "blk.0.ssm_a", .decayNotConverted, "logarithms") { values, _ in
      values = values.map { Float(log(Double(-$0))) }
    },
    Mistake("qwen3_next", "blk.1.attn_norm.weight", .normOffset, "one less", add(-1)),
  ]

  private func check(_ mistake: Mistake, against source: String, _ checkpoint: FamilyCheckpoint) throws {
    let path = folder.path("spoiled.gguf")
    try checkpoint.spoil(mistake.tensor, to: path, mistake.change)
    let report = try validate(path, against: source)
    let found = report.findings.filter { $0.subject.description == mistake.tensor && $0.severity == .error }
    #expect(found.map(\.kind) == [mistake.kind], "\(found)")
    #expect(found.first?.found.contains(mistake.words) == true, "\(found)")
  }

  private func validate(_ path: String, against source: String) throws -> ValidationReport {
    var options = ValidationOptions(threadCount: 2)
    options.source = source
    return try Validator(path: path, options: options).run()
  }

  @Test("steps left out, taken twice or in vain are told from the checkpoint", arguments: mistakes)
  func againstCheckpoint(_ mistake: Mistake) throws {
    let checkpoint = try FamilyCheckpoint(mistake.family, in: folder)
    try check(mistake, against: checkpoint.source, checkpoint)
  }

  @Test("and from another conversion", arguments: mistakes)
  func againstConversion(_ mistake: Mistake) throws {
    let checkpoint = try FamilyCheckpoint(mistake.family, in: folder)
    try check(mistake, against: checkpoint.good, checkpoint)
  }

  @Test(
    "good conversions are exact",
    arguments: ["olmoe", "dots1", "deepseek", "deepseek_v2", "glm4_moe", "qwen3_next"])
  func good(_ family: String) throws {
    let checkpoint = try FamilyCheckpoint(family, in: folder)
    let report = try validate(checkpoint.good, against: checkpoint.source)
    #expect(report.isSound, "\(report.findings)")
    #expect(report.against?.verdict == .exact)
  }

  @Test("a step that the family does not take cannot have been left out")
  func foreignStep() throws {
    let checkpoint = try FamilyCheckpoint("olmoe", in: folder)
    let path = folder.path("spoiled.gguf")
    try checkpoint.spoil("blk.0.attn_norm.weight", to: path, Self.add(-1))
    let found = try validate(path, against: checkpoint.source).findings.filter { $0.severity == .error }
    #expect(found.map(\.kind) == [.notFromSource], "\(found)")
  }
}
