internal import BlockQuantization
internal import CQuantKernels

/// What a weight type is multiplied with.
enum ActivationForm: Hashable, CaseIterable {
  /// f32 values.
  case float
  /// int8 codes, one scale per 256 values.
  case codes256
  /// int8 codes, one scale per 32 values.
  case codes32
}

/// A batch of activation rows in the form one kind of weight needs, made once and used by several matrices.
struct PreparedActivations: ~Copyable {
  let form: ActivationForm
  let columns: Int
  let count: Int
  private let source: UnsafePointer<Float>
  private let floatStride: Int
  /// Rows of padded floats, when they had to be copied.
  private let floats: UnsafeMutablePointer<Float>?
  private let codes: CodeRows?

  /// Converts `count` rows of `columns` values that start `stride` values apart; `x` stays valid and unchanged
  /// for the life of the result.
  init(
    _ x: UnsafePointer<Float>, count: Int, columns: Int, stride: Int, form: ActivationForm,
    level: KernelLevel,
    pool: WorkerPool
  ) {
    self.form = form
    self.columns = columns
    self.count = count
    source = x
    guard form == .float else {
      floats = nil
      floatStride = 0
      let rows = CodeRows(count: count, columns: columns, groupLength: form == .codes256 ? 256 : 32)
      codes = rows
      let kernels = level.products
      let quantize = form == .codes256 ? kernels.pointee.quantize_256 : kernels.pointee.quantize_32
      guard let quantize else { return }
      nonisolated(unsafe) let input = x
      let rowsPerItem = max(1, 16384 / columns)
      pool.run(count: (count + rowsPerItem - 1) / rowsPerItem) { item in
        for row in item * rowsPerItem..<min(count, (item + 1) * rowsPerItem) {
          quantize(
            input + row * stride, columns, rows.codes(row), rows.biased(row), rows.sums(row), rows.scales(row)
          )
        }
      }
      return
    }
    codes = nil
    if columns % 16 == 0 {
      floats = nil
      floatStride = stride
    } else {
      floatStride = (columns + 15) / 16 * 16
      let padded = UnsafeMutablePointer<Float>.allocate(capacity: max(1, count * floatStride))
      padded.initialize(repeating: 0, count: count * floatStride)
      for row in 0..<count {
        (padded + row * floatStride).update(from: x + row * stride, count: columns)
      }
      floats = padded
    }
  }

  deinit {
    floats?.deallocate()
    codes?.memory.deallocate()
  }

  /// The row as the integer kernels want it; `y` receives its results.
  ///
  /// - Precondition: The form is one of the code forms.
  func token(_ row: Int, y: UnsafeMutablePointer<Float>) -> cdk_token {
    guard let codes else { preconditionFailure("rows of floats have no codes") }
    return cdk_token(
      codes: codes.codes(row), biased: codes.biased(row), sums: codes.sums(row), scales: codes.scales(row),
      y: y)
  }

  /// The row as the float kernels want it.
  func floatToken(_ row: Int, y: UnsafeMutablePointer<Float>) -> cdk_float_token {
    cdk_float_token(x: (floats.map { UnsafePointer($0) } ?? source) + row * floatStride, y: y)
  }
}

/// Rows of codes with what goes with them, in one piece of memory, which whoever makes them gives back.
private struct CodeRows: @unchecked Sendable {
  let memory: UnsafeMutableRawPointer
  /// Bytes between the code rows of two tokens: an odd multiple of 256, so that the same columns of many
  /// tokens spread over all sets of the first cache.
  private let codeStride: Int
  private let sumStride: Int
  private let scaleStride: Int
  /// Where the parts behind the codes start, in bytes; each at a cache line.
  private let biasedStart: Int
  private let sumStart: Int
  private let scaleStart: Int

  /// Reserves memory for `count` rows whose groups of `groupLength` values, 256 or 32, have a scale each.
  init(count: Int, columns: Int, groupLength: Int) {
    let groups = columns / groupLength
    codeStride = ((columns + 255) / 256 | 1) * 256
    sumStride = (groupLength == 256 ? 24 : 1) * groups
    scaleStride = groups
    biasedStart = count * codeStride
    sumStart = biasedStart + count * codeStride
    scaleStart = (sumStart + count * sumStride * MemoryLayout<Int16>.stride + 63) / 64 * 64
    let size = scaleStart + count * scaleStride * MemoryLayout<Float>.stride
    memory = UnsafeMutableRawPointer.allocate(byteCount: max(64, size), alignment: 64)
  }

  func codes(_ row: Int) -> UnsafeMutablePointer<Int8> { at(row * codeStride) }
  func biased(_ row: Int) -> UnsafeMutablePointer<UInt8> { at(biasedStart + row * codeStride) }
  func sums(_ row: Int) -> UnsafeMutablePointer<Int16> { at(sumStart, row * sumStride) }
  func scales(_ row: Int) -> UnsafeMutablePointer<Float> { at(scaleStart, row * scaleStride) }

  private func at<T>(_ start: Int, _ index: Int = 0) -> UnsafeMutablePointer<T> {
    (memory + start).assumingMemoryBound(to: T.self) + index
  }
}
