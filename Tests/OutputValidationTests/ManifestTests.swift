import FileBytes
import OutputValidation
import TestSupport
import Testing

@Suite("Manifests")
struct ManifestTests {
  @Test("lines of llama-gguf-hash, with paths, results of a check and foreign lines")
  func parsing() throws {
    let text = """
      manifest  model.manifest  xxh64
      xxh64     f66e9cd66a4396a0  test.gguf:tensor_0
      xxh64     4B7E9CD66A4396A1  some folder/test.gguf:blk.0.attn_q.weight  -  Ok
      sha1      59f79ecefd8125a996fdf419239051a7e99e5f20  test.gguf:tensor_0
      uuid      7a7a7a7a-0000-5000-8000-000000000000  test.gguf
      sha256    c0510d38fa060c46265e0160a85c7243096b01dd31c2f355bdbb5516b20de1bd  test.gguf
      """
    let lines = try Manifest(parsing: text, file: "m").lines
    #expect(lines.map(\.hash) == [.xxh64, .xxh64, .sha1, .sha256])
    #expect(lines.map(\.file) == ["test.gguf", "test.gguf", "test.gguf", "test.gguf"])
    #expect(lines.map(\.tensor) == ["tensor_0", "blk.0.attn_q.weight", "tensor_0", nil])
    #expect(lines[0].text == "xxh64     f66e9cd66a4396a0  test.gguf:tensor_0")
    #expect(lines[3].text.hasPrefix("sha256    c0510d38"))
  }

  @Test(
    "what is no manifest is refused",
    arguments: [
      "", "hello\nworld\n", "xxh64 123 a.gguf:b",
      "sha256  zz510d38fa060c46265e0160a85c7243096b01dd31c2f355bdbb5516b20de1bd  a.gguf",
    ])
  func refused(_ text: String) {
    #expect { try Manifest(parsing: text, file: "m") } throws: {
      ($0 as? ValidationError)?.code == .badManifest
    }
  }

  @Test("a hash of pieces is the hash of the whole", arguments: [0, 1, 31, 32, 33, 64, 100, 1000])
  func pieces(_ count: Int) {
    var generator = SeededGenerator(seed: UInt64(count) + 3)
    let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let whole = bytes.withUnsafeBytes { XXHash64.hash($0) }
    for size in [1, 7, 32, 33, 500] {
      var stream = XXHash64Stream()
      var offset = 0
      while offset < count {
        let end = min(count, offset + size)
        bytes[offset..<end].withUnsafeBytes { stream.update($0) }
        offset = end
      }
      #expect(stream.digest == whole)
    }
  }
}
