import FileBytes
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// Tensors whose types are those of other programs: sizes are told from offsets.
@Suite("Tensor types of other programs")
struct ForeignTypeTests {
  private func bytes(
    alignment: UInt32? = nil, _ tensors: [(name: String, type: Int32, offset: UInt64)], dataByteCount: Int
  ) -> [UInt8] {
    var bytes = GGUFBytes(tensorCount: Int64(tensors.count), entryCount: alignment == nil ? 0 : 1)
    if let alignment { bytes.entry("general.alignment", alignment) }
    for tensor in tensors {
      bytes.tensor(tensor.name, dimensions: [256, 2], type: tensor.type, offset: tensor.offset)
    }
    bytes.pad(to: Int(alignment ?? 32))
    bytes.zeros(dataByteCount)
    return bytes.bytes
  }

  private func open(_ bytes: [UInt8], foreign: Bool = true) throws -> GGUFFile {
    let folder = try TemporaryFolder()
    return try GGUFFile(path: try folder.write("x.gguf", bytes), allowsForeignTypes: foreign)
  }

  private func code(_ bytes: [UInt8], foreign: Bool = true) -> GGUFError.Code? {
    do {
      _ = try open(bytes, foreign: foreign)
      return nil
    } catch {
      return (error as? GGUFError)?.code
    }
  }

  @Test("Between, before and after known tensors")
  func sizes() throws {
    let file = try open(
      bytes([("a", 144, 0), ("b", 0, 288), ("c", 777, 2336), ("d", 31, 2464)], dataByteCount: 2500))
    #expect(file.tensors.map(\.byteCount) == [288, 2048, 128, 36])
    #expect(file.tensors.map(\.type) == [.other(144), .f32, .other(777), .other(31)])
    #expect(file.tensors.map(\.elementCount) == [512, 512, 512, 512])
  }

  @Test("Computing refuses them, and says whose type it is")
  func refused() throws {
    let ofOther = bytes([("a", 144, 0)], dataByteCount: 288)
    #expect(code(ofOther, foreign: false) == .unknownTensorType)
    #expect(code(bytes([("a", 777, 0)], dataByteCount: 288), foreign: false) == .unknownTensorType)
    #expect(code(bytes([("a", 31, 0)], dataByteCount: 288), foreign: false) == .removedTensorType)
    do {
      _ = try open(ofOther, foreign: false)
    } catch let error as GGUFError {
      #expect(error.fault.found.contains("ik_llama.cpp's iq4_ks"))
    }
  }

  @Test("Offsets that go back, are not aligned or leave the file")
  func hostile() {
    #expect(code(bytes([("a", 144, 32), ("b", 0, 64)], dataByteCount: 4096)) == .badOffset)
    #expect(code(bytes([("a", 0, 0), ("b", 144, 2048), ("c", 0, 1024)], dataByteCount: 8192)) == .badOffset)
    #expect(code(bytes([("a", 144, 0), ("b", 0, 100)], dataByteCount: 4096)) == .badOffset)
    #expect(code(bytes([("a", 144, 0), ("b", 0, 1 << 62)], dataByteCount: 4096)) != nil)
    #expect(code(bytes([("a", 144, 0), ("b", 0, .max)], dataByteCount: 4096)) == .badOffset)
    #expect(code(bytes([("a", 0, 0), ("b", 144, 2048)], dataByteCount: 1024)) == .truncated)
    #expect(code(bytes([("a", -1, 0)], dataByteCount: 64)) == nil)
  }

  @Test("Alignments", arguments: [1, 2, 4, 8, 16, 32, 64, 4096] as [UInt32])
  func alignments(_ alignment: UInt32) throws {
    let step = (288 + Int(alignment) - 1) / Int(alignment) * Int(alignment)
    let file = try open(
      bytes(
        alignment: alignment, [("a", 144, 0), ("b", 12, UInt64(step)), ("c", 12, UInt64(2 * step))],
        dataByteCount: 3 * step))
    #expect(file.alignment == Int(alignment) && file.dataStart % Int(alignment) == 0)
    #expect(file.tensors.map(\.byteCount) == [step, 288, 288])
  }
}
