import FileBytes
import TensorCompute
import TensorTypes
import Testing

@Suite("Weight matrices")
struct WeightMatrixTests {
  private func code(_ type: TensorType, columns: Int, rows: Int, byteCount: Int) -> ComputeError.Code? {
    let bytes = [UInt8](repeating: 0, count: byteCount)
    return bytes.withUnsafeBytes { (view) -> ComputeError.Code? in
      do throws(ComputeError) {
        _ = try WeightMatrix(name: "blk.0", type: type, columns: columns, rows: rows, bytes: view, owner: nil)
        return nil
      } catch {
        let subject = error.fault.subject
        #expect(subject == "blk.0")
        #expect(error.faultClass == .rejected)
        return error.code
      }
    }
  }

  @Test("Shapes and sizes are checked")
  func checks() {
    #expect(code(.q4_K, columns: 512, rows: 3, byteCount: 864) == nil)
    #expect(code(.q4_K, columns: 512, rows: 3, byteCount: 863) == .wrongByteCount)
    #expect(code(.q4_K, columns: 512, rows: 3, byteCount: 865) == .wrongByteCount)
    #expect(code(.q4_K, columns: 300, rows: 3, byteCount: 0) == .invalidShape)
    #expect(code(.q4_K, columns: 0, rows: 3, byteCount: 0) == .invalidShape)
    #expect(code(.f32, columns: 4, rows: -1, byteCount: 0) == .invalidShape)
    #expect(code(.f32, columns: Int.max / 2, rows: 1, byteCount: 0) == .invalidShape)
    #expect(code(.f32, columns: 1 << 40, rows: 1 << 40, byteCount: 0) == .wrongByteCount)
    #expect(code(.iq2_xs, columns: 256, rows: 1, byteCount: 74) == .unsupportedType)
    #expect(code(.i32, columns: 4, rows: 1, byteCount: 16) == .unsupportedType)
  }

  @Test("A slice sees its rows")
  func slices() throws {
    let matrix = StoredMatrix(.q8_0, rows: 6, columns: 64, seed: 1)
    let weights = try matrix.weights()
    let slice = weights.slice(rows: 2..<5)
    #expect(slice.rows == 3)
    #expect(slice.bytes.count == 3 * weights.rowByteCount)
    #expect(slice.bytes.elementsEqual(weights.bytes[2 * weights.rowByteCount..<5 * weights.rowByteCount]))
  }
}
