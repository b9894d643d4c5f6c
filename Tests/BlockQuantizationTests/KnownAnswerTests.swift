import BlockQuantization
import TensorTypes
import TestSupport
import Testing

/// One line of the table of answers that the reference library gave for the matrix of ``KnownAnswerInput``.
struct KnownAnswer: CustomTestStringConvertible, Sendable {
  var type: TensorType
  var weighted: Bool
  /// The first 16 bytes of the SHA-256 digest.
  var digest: String
  var testDescription: String { "\(type.name) \(weighted ? "weighted" : "plain")" }

  static let all: [KnownAnswer] = [
    .init(type: .q4_K, weighted: false, digest: "4299bae9be902356985bdf32a9342e94"),
    .init(type: .q4_K, weighted: true, digest: "acf0c79a2b364ac4d71675edf74f28ae"),
    .init(type: .q5_K, weighted: false, digest: "1fae13c6eeccc36679bc145d0f4c91f1"),
    .init(type: .q5_K, weighted: true, digest: "fc77f54674b3aa59ca04fb8c1a331010"),
    .init(type: .q6_K, weighted: false, digest: "c8bf89bfbb123239a40c6ff683260f29"),
    .init(type: .q6_K, weighted: true, digest: "7650b0f4c34dcb7777961bdf92a249b1"),
    .init(type: .q3_K, weighted: false, digest: "2d49ea5b77dd48eabea5ce471e032b38"),
    .init(type: .q3_K, weighted: true, digest: "df82b139d4f4db2a77d815d9b8a476e8"),
    .init(type: .q2_K, weighted: false, digest: "44df365ad592cf410e83813f3d90bcfd"),
    .init(type: .q2_K, weighted: true, digest: "65741f215b0a77ed20aec3995f9377aa"),
    .init(type: .q8_0, weighted: false, digest: "785c175794882b88ceb4efa209c3cc8d"),
    .init(type: .q8_0, weighted: true, digest: "785c175794882b88ceb4efa209c3cc8d"),
    .init(type: .q4_0, weighted: false, digest: "55782b5056acdc096c178eb300ce768a"),
    .init(type: .q4_0, weighted: true, digest: "423da654e81e8770fc2b1ef6d19ce422"),
    .init(type: .q4_1, weighted: false, digest: "b78f95453618e7da484e6296af337cd4"),
    .init(type: .q4_1, weighted: true, digest: "628d2d6f73d6dfb5b051539fbf4c97c8"),
    .init(type: .q5_0, weighted: false, digest: "69fb798a92af45db3e2446ced7cf03c7"),
    .init(type: .q5_0, weighted: true, digest: "9836e478c333e71e9488671c41af8860"),
    .init(type: .q5_1, weighted: false, digest: "b7b075081880903bd59d48609775013e"),
    .init(type: .q5_1, weighted: true, digest: "e3222635f2bc26e44ee110f407248f7f"),
    .init(type: .iq4_nl, weighted: false, digest: "1af5af636ffe48749f62cbcaf7b15708"),
    .init(type: .iq4_nl, weighted: true, digest: "1c50a1e7b630cfe7635907c45bf71690"),
    .init(type: .iq4_xs, weighted: false, digest: "1b117829dfb22863bb9091e406bb6cd0"),
    .init(type: .iq4_xs, weighted: true, digest: "9c9f57e66225cba8b0563ece698a7bfb"),
    .init(type: .mxfp4, weighted: false, digest: "28624a63f340d5e7c4a481eb34edcf4c"),
    .init(type: .mxfp4, weighted: true, digest: "28624a63f340d5e7c4a481eb34edcf4c"),
  ]
}

/// The 8 × 512 matrix and the 512 weights that the answers belong to.
struct KnownAnswerInput: Sendable {
  static let rowLength = 512
  var rows: [Float]
  var importance: [Float]

  static let shared = KnownAnswerInput()

  init() {
    var state: UInt32 = 12345
    func draw() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) * 0x1p-24
    }
    rows = (0..<8 * Self.rowLength).map { _ in
      var a: Float = 0
      for _ in 0..<4 { a += draw() - 0.5 }
      let bits = (a * 0.0625).bitPattern
      return Float(bitPattern: (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF_0000)
    }
    importance = (0..<Self.rowLength).map { column in
      let u = draw()
      return column % 37 == 5 ? 0 : u * u
    }
    for column in 0..<Self.rowLength {
      rows[3 * Self.rowLength + column] = 0
      rows[4 * Self.rowLength + column] = rows[4 * Self.rowLength + column].magnitude
      rows[5 * Self.rowLength + column] *= 0x1p-100
      if column % 7 != 0 { rows[6 * Self.rowLength + column] = 0 }
      rows[7 * Self.rowLength + column] *= 65536
    }
  }

  static func digest(_ floats: [Float]) -> String {
    SHA256.hexadecimalDigest(
      floats.flatMap { value in (0..<4).map { UInt8(value.bitPattern >> (8 * $0) & 255) } })
  }
}

@Suite("Known answers of the reference library")
struct KnownAnswerTests {
  @Test func digestOfThePublishedExample() {
    #expect(
      SHA256.hexadecimalDigest(Array("abc".utf8))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func inputIsTheOneTheAnswersBelongTo() {
    let input = KnownAnswerInput.shared
    #expect(
      Array(input.rows.prefix(4)) == [-0.049072265625, 0.004180908203125, 0.01019287109375, 0.012451171875])
    #expect(
      KnownAnswerInput.digest(input.rows)
        == "f83fc624bed67a97702e85c3709333e16854fcd5beb567acc2dbec6cb53ddb20")
    #expect(
      KnownAnswerInput.digest(input.importance)
        == "75beb57cce8dd3776a684f29327b4593af200311ce4b921731e5ca67f2c651be"
    )
  }

  @Test("Kernels give the recorded bytes", arguments: KnownAnswer.all, KernelLevel.available)
  func kernels(answer: KnownAnswer, level: KernelLevel) {
    let input = KnownAnswerInput.shared
    let bytes = kernelBytes(
      answer.type, input.rows, rowLength: KnownAnswerInput.rowLength,
      importance: answer.weighted ? input.importance : nil, level: level)
    #expect(SHA256.hexadecimalDigest(bytes).prefix(32) == answer.digest)
  }

  @Test("The readable definition gives the recorded bytes", arguments: KnownAnswer.all)
  func plain(answer: KnownAnswer) {
    let input = KnownAnswerInput.shared
    let bytes = PlainBlockQuantizer.quantize(
      answer.type, rows: input.rows, rowLength: KnownAnswerInput.rowLength,
      importance: answer.weighted ? input.importance : nil)
    #expect(SHA256.hexadecimalDigest(bytes).prefix(32) == answer.digest)
  }
}
