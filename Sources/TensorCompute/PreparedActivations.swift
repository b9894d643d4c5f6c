internal import BlockQuantization
internal import CQuantKernels

/// What a weight type is multiplied with.
enum ActivationForm: Hashable {
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
  /// Bytes between the code rows of two tokens: an odd multiple of 256, so that the same columns of many
  /// tokens spread over all sets of the first cache.
  private let codeStride: Int
  private let sumStride: Int
  private let scaleStride: Int
  /// Rows of padded floats, when they had to be copied.
  private let floats: UnsafeMutablePointer<Float>?
  private let source: UnsafePointer<Float>
  private let floatStride: Int
  private let codes: UnsafeMutablePointer<Int8>?
  private let biased: UnsafeMutablePointer<UInt8>?
  private let sums: UnsafeMutablePointer<Int16>?
  private let scales: UnsafeMutablePointer<Float>?

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
    switch form {
    case .float:
      codes = nil
      biased = nil
      sums = nil
      scales = nil
      codeStride = 0
      sumStride = 0
      scaleStride = 0
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
    case .codes256, .codes32:
      floats = nil
      floatStride = 0
      let lines = (columns + 255) / 256
      let codeStride = (lines | 1) * 256
      let sumStride = form == .codes256 ? columns / 256 * 24 : columns / 32
      let scaleStride = form == .codes256 ? columns / 256 : columns / 32
      let codes = Self.allocate(Int8.self, count * codeStride)
      let biased = Self.allocate(UInt8.self, count * codeStride)
      let sums = Self.allocate(Int16.self, count * sumStride)
      let scales = Self.allocate(Float.self, count * scaleStride)
      self.codeStride = codeStride
      self.sumStride = sumStride
      self.scaleStride = scaleStride
      self.codes = codes
      self.biased = biased
      self.sums = sums
      self.scales = scales
      let kernels = level.products
      let quantize = form == .codes256 ? kernels.pointee.quantize_256 : kernels.pointee.quantize_32
      guard let quantize else { return }
      nonisolated(unsafe) let (c, b, s, d, input) = (codes, biased, sums, scales, x)
      let rowsPerItem = max(1, 16384 / columns)
      pool.run(count: (count + rowsPerItem - 1) / rowsPerItem) { item in
        for row in item * rowsPerItem..<min(count, (item + 1) * rowsPerItem) {
          quantize(
            input + row * stride, columns, c + row * codeStride, b + row * codeStride,
            s + row * sumStride, d + row * scaleStride)
        }
      }
    }
  }

  deinit {
    floats?.deallocate()
    codes?.deallocate()
    biased?.deallocate()
    sums?.deallocate()
    scales?.deallocate()
  }

  private static func allocate<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
    UnsafeMutableRawPointer.allocate(byteCount: max(64, count * MemoryLayout<T>.stride), alignment: 64)
      .bindMemory(to: T.self, capacity: count)
  }

  /// The row as the integer kernels want it; `y` receives its results.
  ///
  /// - Precondition: The form is one of the code forms.
  func token(_ row: Int, y: UnsafeMutablePointer<Float>) -> cdk_token {
    guard let codes, let biased, let sums, let scales else {
      preconditionFailure("rows of floats have no codes")
    }
    return cdk_token(
      codes: codes + row * codeStride, biased: biased + row * codeStride, sums: sums + row * sumStride,
      scales: scales + row * scaleStride, y: y)
  }

  /// The row as the float kernels want it.
  func floatToken(_ row: Int, y: UnsafeMutablePointer<Float>) -> cdk_float_token {
    cdk_float_token(x: (floats.map { UnsafePointer($0) } ?? source) + row * floatStride, y: y)
  }
}
