import Foundation
import TestSupport
import Testing

/// A tiny model as GGUF, and ways to spoil it; what runs models must refuse all of them.
struct RuntimeModel {
  let folder: TemporaryFolder
  /// The good model: f32, 288 tokens, each byte a token.
  let path: String

  init(metadata: String...) throws {
    folder = try TemporaryFolder()
    path = folder.path("model.gguf")
    var tiny = TinyCheckpoint()
    // This tokenizer merges two spaces.
    var words = try #require(tiny.tokenizer["model"] as? [String: Any])
    var vocabulary = try #require(words["vocab"] as? [String: Int])
    vocabulary["qz"] = nil
    vocabulary["\u{120}\u{120}"] = 259
    words["vocab"] = vocabulary
    words["merges"] = [["\u{120}", "\u{120}"]]
    tiny.tokenizer["model"] = words
    let checkpoint = try tiny.write(in: folder)
    let run = try CommandRun(
      "pouch-convert",
      [checkpoint, "--outtype", "f32", "--outfile", path] + metadata.flatMap { ["--override-kv", $0] })
    try #require(run.status == 0, "\(run.errors)")
  }

  /// One wrong model, and what the error line must contain.
  struct Bad {
    var path: String
    var parts: [String]
  }

  /// Models that are missing, cut short, or lack or misshape a tensor.
  func bad() throws -> [Bad] {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    var renamed = bytes
    // A name of the same length keeps everything else in place.
    let name = try #require(renamed.range(of: Data("blk.0.attn_k.weight".utf8)))
    renamed.replaceSubrange(name, with: Data("blk.0.attn_z.weight".utf8))
    var wrongShape = TinyCheckpoint()
    wrongShape.change("model.layers.0.self_attn.k_proj.weight") { $0.shape = [32, 128] }
    var missing = TinyCheckpoint()
    missing.shards[0]["model.layers.0.self_attn.k_proj.weight"] = nil
    return [
      Bad(path: folder.path("none.gguf"), parts: ["none.gguf"]),
      Bad(path: try folder.write("empty.gguf", []), parts: ["empty.gguf"]),
      Bad(path: try folder.write("text.gguf", Array("hello".utf8)), parts: ["text.gguf"]),
      Bad(
        path: try folder.write("short.gguf", Array(bytes.dropLast(4096))), parts: ["short.gguf"]),
      Bad(path: try folder.write("head.gguf", Array(bytes.prefix(200))), parts: ["head.gguf"]),
      Bad(
        path: try folder.write("renamed.gguf", Array(renamed)),
        parts: ["renamed.gguf", "blk.0.attn_k.weight"]),
      Bad(path: try missing.write(in: folder, name: "missing"), parts: ["k_proj"]),
      Bad(path: try wrongShape.write(in: folder, name: "shape"), parts: ["k_proj"]),
    ]
  }
}

extension CommandRun {
  /// Expects an exit code, and for failures a single error line with `parts`.
  func expect(_ status: Int32, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation) {
    expect(status, parts, sourceLocation: sourceLocation)
  }

  /// Expects an exit code, and for failures a single error line with `parts`.
  func expect(_ status: Int32, _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(
      self.status == status && !wasKilled, "status \(self.status): \(errors)", sourceLocation: sourceLocation)
    guard status != 0 else { return }
    #expect(errorLines.count == 1, "\(errors)", sourceLocation: sourceLocation)
    for part in parts {
      #expect(
        errorLines.first?.contains(part) == true, "\(part) is not in: \(errors)",
        sourceLocation: sourceLocation)
    }
  }

  /// Standard output as a JSON object.
  func json() throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
  }
}
