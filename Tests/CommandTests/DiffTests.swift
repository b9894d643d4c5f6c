import Foundation
import TensorTypes
import TestSupport
import Testing

/// `pouch-inspect A --diff B`.
@Suite("pouch-inspect --diff")
struct DiffTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private struct Difference: Decodable {
    struct Key: Decodable {
      var key: String
      var first: String?
      var second: String?
    }
    struct Expert: Decodable {
      var expert: Int
      var relativeError: Double?
    }
    struct Tensor: Decodable {
      var name: String
      var first: String
      var second: String
      var typesDiffer: Bool
      var shapesDiffer: Bool
      var differingValues: Int
      var firstDifference: String?
      var relativeError: Double?
      var expertCount: Int
      var experts: [Expert]
    }
    var keys: [Key]
    var onlyInFirst: [String]
    var onlyInSecond: [String]
    var tensors: [Tensor]
    var equalTensors: Int
  }

  private func difference(_ first: EditableGGUF, _ second: EditableGGUF) throws -> Difference {
    let a = try folder.write("a.gguf", try first.encoded())
    let b = try folder.write("b.gguf", try second.encoded())
    let run = try CommandRun.inspect(a, "--diff", b, "--json")
    #expect(run.status == 0, "\(run.errors)")
    return try JSONDecoder().decode(Difference.self, from: Data(run.output.utf8))
  }

  @Test("a file does not differ from itself")
  func same() throws {
    let good = try SampleFile.q4KM.get()
    let found = try difference(good, good)
    #expect(found.keys.isEmpty && found.tensors.isEmpty && found.equalTensors == good.tensors.count)
    let run = try CommandRun.inspect(folder.path("a.gguf"), "--diff", folder.path("b.gguf"), "--strict")
    #expect(run.status == 0 && run.output.hasSuffix("no difference\n"), "\(run.output)")
  }

  @Test("experts, values, types, keys and tensors that differ")
  func differences() throws {
    let good = try SampleFile.q4KM.get()
    var other = good
    try other.reorderExperts("blk.2.ffn_up_exps.weight", [0, 1, 6, 3, 4, 5, 2, 7])
    try other.mapValues("blk.0.attn_norm.weight") { $0 == 40 ? $1 + 0.5 : $1 }
    try other.change("blk.1.attn_k.weight") {
      $0 = .init(name: $0.name, type: .f32, shape: $0.shape, bytes: .init(repeating: 0, count: 256 * 128 * 4))
    }
    try other.change("blk.1.attn_v.weight") { $0.name = "blk.1.attn_w.weight" }
    other.set("qwen35moe.rope.freq_base", .float32(5000))
    other.metadata.append(MetadataEntry("general.note", .string("x")))
    let found = try difference(good, other)
    #expect(found.onlyInFirst == ["blk.1.attn_v.weight"] && found.onlyInSecond == ["blk.1.attn_w.weight"])
    #expect(Set(found.keys.map(\.key)) == ["qwen35moe.rope.freq_base", "general.note"])
    #expect(found.keys.first { $0.key == "qwen35moe.rope.freq_base" }?.second == "5000.0")
    #expect(found.tensors.count == 3)
    let experts = try #require(found.tensors.first { $0.name == "blk.2.ffn_up_exps.weight" })
    #expect(experts.experts.map(\.expert) == [2, 6] && experts.expertCount == 8)
    #expect(experts.experts.allSatisfy { ($0.relativeError ?? 0) > 1 })
    #expect(
      experts.firstDifference?.hasPrefix("expert 2, row 0, column 0") == true,
      "\(experts.firstDifference ?? "")")
    let norm = try #require(found.tensors.first { $0.name == "blk.0.attn_norm.weight" })
    #expect(norm.differingValues == 1 && norm.firstDifference?.hasPrefix("element 40: ") == true)
    let key = try #require(found.tensors.first { $0.name == "blk.1.attn_k.weight" })
    #expect(key.typesDiffer && key.relativeError == 1)
    let text = try CommandRun.inspect(folder.path("a.gguf"), "--diff", folder.path("b.gguf"))
    #expect(text.status == 0)
    #expect(
      text.output.contains("2 of 8 experts differ")
        && text.output.contains("q8_0 [256, 128] and f32 [256, 128]"))
    let strict = try CommandRun.inspect(folder.path("a.gguf"), "--diff", folder.path("b.gguf"), "--strict")
    #expect(strict.status == 4 && strict.lastErrorLine.contains("b.gguf"), "\(strict.errors)")
  }

  @Test("the same model in another mix and in shards")
  func mixes() throws {
    let a = folder.path("a.gguf")
    #expect(
      try CommandRun.convert(SampleFile.checkpoint, "--outtype", "Q8_0", "--outfile", a, "-q").status == 0)
    let split = try CommandRun.convert(
      SampleFile.checkpoint, "--outtype", "Q8_0", "--outfile", folder.path("s.gguf"), "--split-max-size", "4M"
    )
    let shard = try #require(split.output.split(separator: "\n").map(String.init).first)
    // A plain file keeps the converter's order, and so do its shards.
    #expect(try CommandRun.inspect(a, "--diff", shard, "--strict").status == 0)
    let b = try folder.write("b.gguf", try SampleFile.q4KM.get().encoded())
    let run = try CommandRun.inspect(a, "--diff", b, "--json")
    let found = try JSONDecoder().decode(Difference.self, from: Data(run.output.utf8))
    #expect(found.keys.contains { $0.key == "general.file_type" && $0.first == "7" && $0.second == "15" })
    let errors = found.tensors.compactMap(\.relativeError)
    #expect(
      errors.count == found.tensors.count && errors.allSatisfy { $0 < 0.2 } && errors == errors.sorted(by: >))
  }

  @Test("what cannot be compared")
  func refused() throws {
    let a = try folder.write("a.gguf", try SampleFile.q4KM.get().encoded())
    let folderRun = try CommandRun.inspect(a, "--diff", SampleFile.checkpoint)
    #expect(folderRun.status == 3 && folderRun.lastErrorLine.contains("a folder"), "\(folderRun.errors)")
    #expect(try CommandRun.inspect(a, "--strict").status == 2)
    let bad = try folder.write("bad.gguf", [1, 2, 3])
    let badRun = try CommandRun.inspect(a, "--diff", bad)
    #expect(badRun.status == 3 && badRun.lastErrorLine.contains("bad.gguf"), "\(badRun.errors)")
  }
}
