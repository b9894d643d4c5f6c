import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// Files with another alignment, and with tensor types of other programs.
@Suite("GGUF files of other programs")
struct OtherLayoutTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private struct Missing: Error { var text: String }

  /// Where the bytes after a name with its length are; the last such place, which is in the table of tensors.
  private static func end(of name: String, in bytes: Data) throws -> Int {
    var wanted = Data()
    withUnsafeBytes(of: UInt64(name.utf8.count).littleEndian) { wanted.append(contentsOf: $0) }
    wanted.append(contentsOf: name.utf8)
    guard let range = bytes.range(of: wanted, options: .backwards) else { throw Missing(text: name) }
    return range.upperBound
  }

  private static func put<T: FixedWidthInteger>(_ value: T, at offset: Int, in bytes: inout Data) {
    withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
  }

  /// The file with its tensors at multiples of another number.
  private static func realigned(_ original: EditableGGUF, to alignment: Int) throws -> [UInt8] {
    var file = original
    file.set("general.alignment", .uint32(32))
    var bytes = Data(
      try GGUFHeaderEncoder(
        metadata: file.metadata,
        tensors: file.tensors.map {
          GGUFTensorDescription(name: $0.name, type: $0.type, ggmlShape: $0.shape)
        },
        dimensions: .asGiven
      ).bytes)
    put(UInt32(alignment), at: try end(of: "general.alignment", in: bytes) + 4, in: &bytes)
    func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }
    var offset = 0
    var headerEnd = 0
    for tensor in file.tensors {
      let field = try end(of: tensor.name, in: bytes) + 4 + 8 * tensor.shape.count + 4
      put(UInt64(offset), at: field, in: &bytes)
      offset = padded(offset + tensor.bytes.count)
      headerEnd = max(headerEnd, field + 8)
    }
    bytes = bytes.prefix(headerEnd)
    bytes.append(Data(count: padded(bytes.count) - bytes.count))
    for tensor in file.tensors {
      bytes.append(contentsOf: tensor.bytes)
      bytes.append(Data(count: padded(tensor.bytes.count) - tensor.bytes.count))
    }
    return [UInt8](bytes)
  }

  @Test("every command reads other alignments, and writes its own", arguments: [1, 8, 64, 4096])
  func alignment(_ alignment: Int) throws {
    let good = try SampleFile.q4KM.get()
    let plain = try folder.write("plain.gguf", try good.encoded())
    let path = try folder.write("aligned.gguf", try Self.realigned(good, to: alignment))
    let validated = try CommandRun("pouch-validate", [path, "--strict", "--against", SampleFile.checkpoint])
    // llama.cpp uses mapped tensors at multiples of 32 bytes.
    let header = try GGUFFile(path: path)
    let first = header.tensors.prefix { $0.type == .q4_K }.count
    let isMappable = [0, first].allSatisfy { header.position(of: header.tensors[$0]) % 32 == 0 }
    #expect(isMappable || alignment < 32)
    #expect(validated.status == (isMappable ? 0 : 3), "\(validated.output)\(validated.errors)")
    #expect(validated.output.contains("verdict   exact"))
    if !isMappable { #expect(validated.output.contains("multiple of 32 bytes")) }
    #expect(try CommandRun("pouch-inspect", [path]).output.contains("general.alignment"))
    #expect(try CommandRun("pouch-estimate", [path]).status == 0)
    let arguments = ["-p", "a circle", "-n", "6", "--raw", "--temp", "0", "-m"]
    let wanted = try CommandRun("pouch-generate", arguments + [plain])
    let found = try CommandRun("pouch-generate", arguments + [path])
    #expect(wanted.status == 0 && found.status == 0, "\(found.errors)\(wanted.errors)")
    #expect(found.output == wanted.output && !found.output.isEmpty)
    for type in ["COPY", "Q4_0"] {
      var outputs: [Data] = []
      for source in [plain, path] {
        let output = folder.path("out.gguf")
        let run = try CommandRun(
          "pouch-quantize", [source, output, type, "--allow-requantize", "--no-provenance", "--force", "-q"])
        #expect(run.status == 0, "\(run.errors)")
        outputs.append(try Data(contentsOf: URL(fileURLWithPath: output)))
      }
      #expect(outputs[0] == outputs[1], "\(type)")
    }
  }

  @Test("types of other programs are shown by number and size; what computes refuses them")
  func foreignTypes() throws {
    let good = try SampleFile.q4KM.get()
    for (number, name) in [(Int32(144), "type 144 (ik_llama.cpp's iq4_ks)"), (777, "type 777")] {
      var bytes = Data(try good.encoded())
      let tensor = "blk.1.attn_q.weight"
      Self.put(number, at: try Self.end(of: tensor, in: bytes) + 4 + 16, in: &bytes)
      let path = try folder.write("other.gguf", [UInt8](bytes))
      let size = try good.tensors[good.index(tensor)].bytes.count
      let inspected = try CommandRun("pouch-inspect", [path])
      #expect(inspected.status == 0, "\(inspected.errors)")
      let line = inspected.output.split(separator: "\n").first { $0.hasPrefix(tensor) } ?? ""
      #expect(line.contains(name) && line.contains(" \(size) bytes"), "\(line)")
      let estimated = try CommandRun("pouch-estimate", [path])
      #expect(
        estimated.status == 0 && (estimated.output + estimated.errors).contains(name), "\(estimated.errors)")
      let validated = try CommandRun("pouch-validate", [path, "--against", SampleFile.checkpoint])
      #expect(
        validated.status == 3 && validated.output.contains("error: \(tensor): expected a type of llama.cpp"))
      #expect(validated.output.contains("the file is not compared"))
      for (command, arguments) in [
        ("pouch-generate", ["-m", path, "-p", "x", "-n", "1", "--raw"]),
        ("pouch-quantize", [path, folder.path("o.gguf"), "COPY"]),
        ("pouch-inspect", ["--diff", path, path]),
      ] {
        let run = try CommandRun(command, arguments)
        #expect(run.status == 3 && run.lastErrorLine.contains(tensor), "\(command): \(run.errors)")
        #expect(run.lastErrorLine.contains(name), "\(run.errors)")
      }
    }
  }
}
