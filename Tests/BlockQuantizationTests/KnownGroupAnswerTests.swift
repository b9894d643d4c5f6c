import BlockQuantization
import TensorTypes
import TestSupport
import Testing

/// What mlx 0.32.4 makes of the matrix of ``KnownAnswerInput`` on a CPU.
///
/// `scripts/conformance-mlx.py --only known-answers` prints the table.
struct KnownGroupAnswer: CustomTestStringConvertible, Sendable {
  var format: GroupFormat?
  /// The type that the weights have.
  var type: ElementType
  /// The first 16 bytes of the SHA-256 digest of codes, scales and biases, one after the other.
  var digest: String
  var testDescription: String { "\(format?.name ?? "none") of \(type.rawValue)" }

  init(_ name: String, _ type: ElementType, _ digest: String) {
    format = GroupFormat(name: name)
    self.type = type
    self.digest = digest
  }

  static let all: [KnownGroupAnswer] = [
    .init("affine2/32", .f32, "570eafc3b217c2598b641bd9d522bc54"),
    .init("affine2/32", .f16, "8944b8410ffa3f373962bc320f6a344b"),
    .init("affine2/32", .bf16, "8f5eb9293c567548620db5d43966e910"),
    .init("affine2/64", .f32, "b6917d1d1f29033b0b8780a84ced0084"),
    .init("affine2/64", .f16, "1495186305129d402ce36de82d3a9b51"),
    .init("affine2/64", .bf16, "849c94d28e538b0d802b44519a2c4f28"),
    .init("affine2/128", .f32, "48b66487cd01d5c0c8019c2ec3388d35"),
    .init("affine2/128", .f16, "0f6c4da3856922077abf8d90e9b37db5"),
    .init("affine2/128", .bf16, "6ada9e7c27a1463249f8139e5b7bc460"),
    .init("affine3/32", .f32, "e1f87f29718a2ce14541ecb70dd71753"),
    .init("affine3/32", .f16, "8aff36d95a0ee18298d98e3c17e772b8"),
    .init("affine3/32", .bf16, "f480b373b675efadb21ad2391a6f7a6e"),
    .init("affine3/64", .f32, "03636cda97eba2f487ce166d03c4a4f1"),
    .init("affine3/64", .f16, "46427dffc52b769a627efcbf4ae28bbc"),
    .init("affine3/64", .bf16, "aa400b6e3b9af588cca500f1c8d657b3"),
    .init("affine3/128", .f32, "1be782170b345a102f8ea2dbbfbd848d"),
    .init("affine3/128", .f16, "a3832cd4976040c117b8173da612dff7"),
    .init("affine3/128", .bf16, "6c40a3e2ac858e50d687b61ad85a7d5f"),
    .init("affine4/32", .f32, "dbca0380a0eefde21acd9ebc924289f9"),
    .init("affine4/32", .f16, "a86136a60536e137a0229e4f5efd61f0"),
    .init("affine4/32", .bf16, "0199df6640422a8fdb44852be55c08d2"),
    .init("affine4/64", .f32, "b7581d4f64649e6c3ccee75d78cdd314"),
    .init("affine4/64", .f16, "30716ec4f01befdd54f0d1f708f99afa"),
    .init("affine4/64", .bf16, "bf06c3918a9f82422f8649c2e3f4e890"),
    .init("affine4/128", .f32, "11c8997f7848a0262b6675c5b1e75a9a"),
    .init("affine4/128", .f16, "8347a37327e9f9d1668e49adb1f84ca4"),
    .init("affine4/128", .bf16, "0cb1625ac92ee8aeea01fbf896337281"),
    .init("affine5/32", .f32, "8ad1a257d8e1fb0be3a6b86aa70dc245"),
    .init("affine5/32", .f16, "b0061006ead335f589ca657c49bc812d"),
    .init("affine5/32", .bf16, "85ca78dc013b7198bc1d71f7b35e92e9"),
    .init("affine5/64", .f32, "1e0fed5ac6d5d5b745c90584a5fe72b4"),
    .init("affine5/64", .f16, "dc3f44d846d5467894bf1bae1e3f100a"),
    .init("affine5/64", .bf16, "8a8440e14b4c14fcc3b697997c01c272"),
    .init("affine5/128", .f32, "23b3e63d1b507698a2d535c671ec0917"),
    .init("affine5/128", .f16, "7bf06dbe3735f2f2d4f28208ac83d73f"),
    .init("affine5/128", .bf16, "ecd737a0cf7b8da3fe9d0a4b00b59ba8"),
    .init("affine6/32", .f32, "c3e36132c3c58a7f4eda44f88f39c7a9"),
    .init("affine6/32", .f16, "3e98b36b79a86fa93e5914ad5d123c20"),
    .init("affine6/32", .bf16, "2b0f9f0850d2aa3700b3e5a1e1eb4b43"),
    .init("affine6/64", .f32, "2749320ff18dcc4d73fca71eb3f3b828"),
    .init("affine6/64", .f16, "7992bd1e88c6387095a8a2742bd5f2fe"),
    .init("affine6/64", .bf16, "05e4d2025554dfa7baa6c4f8bb4cb0cb"),
    .init("affine6/128", .f32, "5908bfa352e93d99478137a0dd99b781"),
    .init("affine6/128", .f16, "5c9681ea9136ead50964af593b62f0c3"),
    .init("affine6/128", .bf16, "c91c55dd85b0a6bd29a3f7134d909863"),
    .init("affine8/32", .f32, "1dec0f6f89bc35b20c34660a34752cc5"),
    .init("affine8/32", .f16, "0b14b06f74709917340aa49e4a1e057c"),
    .init("affine8/32", .bf16, "5e47ce11049d280e1cf62a9042b01aa4"),
    .init("affine8/64", .f32, "ad04ec324b711b6bfb176faffa65525b"),
    .init("affine8/64", .f16, "e66e4b260039e21c660d17c85c68dc2d"),
    .init("affine8/64", .bf16, "0b0b4e27f10cc8dec3f9c34b977cda65"),
    .init("affine8/128", .f32, "bc39220bb4e2eb7113955f5bd96a304d"),
    .init("affine8/128", .f16, "6caeeb217f6ae23d5793cfc2c85a114e"),
    .init("affine8/128", .bf16, "797e6a7f195e13ea320177bf1649f5e1"),
    .init("mxfp4", .f32, "f6697df8174db05251c04f07d32fc391"),
    .init("mxfp4", .f16, "6765b4c0edbcff98acea4803124c7001"),
    .init("mxfp4", .bf16, "f6697df8174db05251c04f07d32fc391"),
    .init("nvfp4", .f32, "34edbd1d9cd6fba48ba32b9ac8c7102e"),
    .init("nvfp4", .f16, "34edbd1d9cd6fba48ba32b9ac8c7102e"),
    .init("nvfp4", .bf16, "34edbd1d9cd6fba48ba32b9ac8c7102e"),
  ]
}

@Suite("Known answers of MLX")
struct KnownGroupAnswerTests {
  @Test("Kernels give the recorded bytes", arguments: KnownGroupAnswer.all, KernelLevel.available)
  func kernels(answer: KnownGroupAnswer, level: KernelLevel) throws {
    let format = try #require(answer.format)
    let parts = kernelParts(
      format, answer.type, held(KnownAnswerInput.shared.rows, answer.type), level: level)
    #expect(
      SHA256.hexadecimalDigest(parts.codes + parts.scales + parts.biases).prefix(32) == answer.digest)
  }
}
