internal import CQuantKernels
package import TensorTypes

/// Looks at stored blocks without decoding them, and compares decoded values.
package enum BlockChecks {
  /// Values of a float type that count as one block here; their rows may be of any length.
  package static let floatBlockLength = 32

  /// Values per block as this type counts them: blocks of float types are 32 values.
  package static func blockLength(_ type: TensorType) -> Int {
    type.isQuantized ? type.blockLength : floatBlockLength
  }

  /// The number of blocks that `elementCount` values make.
  package static func blockCount(_ type: TensorType, elementCount: Int) -> Int {
    (elementCount + blockLength(type) - 1) / blockLength(type)
  }

  /// Computes how far the scales of each block let its values go.
  ///
  /// The reach of a block is the largest magnitude among its effective sub-block scales and minima, for float types
  /// the largest magnitude of its values; infinity when one of these is a NaN or an infinity. A block with reach 0
  /// holds zeros alone.
  ///
  /// - Parameters:
  ///   - type: How values are packed.
  ///   - bytes: Whole blocks.
  ///   - reach: Receives one number per block, see ``blockCount(_:elementCount:)``.
  ///   - level: The kernels to use; all give the same bits.
  /// - Returns: `false`, with nothing written, for types whose scales are not known here.
  package static func reach(
    _ type: TensorType, bytes: UnsafeRawBufferPointer, into reach: UnsafeMutableBufferPointer<Float>,
    level: KernelLevel = .current
  ) -> Bool {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    precondition(bytes.count % type.blockByteCount == 0, "blocks must be whole")
    let elementCount = bytes.count / type.blockByteCount * type.blockLength
    let blocks = blockCount(type, elementCount: elementCount)
    precondition(reach.count == blocks, "one number per block")
    guard let from = bytes.baseAddress, let to = reach.baseAddress else { return true }
    return cbc_reach(level.index, Int32(type.rawValue), from, blocks, elementCount, to) != 0
  }

  /// Sums over pairs of values, x being the values to be met and y those that are there.
  package struct Sums: Hashable, Sendable {
    /// Σ x².
    package var xx = 0.0
    /// Σ y².
    package var yy = 0.0
    /// Σ x·y.
    package var xy = 0.0
    /// Σ (x − y)².
    package var ee = 0.0

    /// Zeros.
    package init() {}

    /// Adds other sums.
    package mutating func add(_ other: Sums) {
      xx += other.xx
      yy += other.yy
      xy += other.xy
      ee += other.ee
    }

    /// √(Σ(x−y)² / Σx²); 0 when both are zero, infinite when only x is.
    package var relativeError: Double { ee == 0 ? 0 : (ee / xx).squareRoot() }
    /// Σxy / √(Σx²·Σy²); 1 when both are zero.
    package var cosine: Double {
      if xx == 0, yy == 0 { return 1 }
      return xx == 0 || yy == 0 ? 0 : xy / (xx * yy).squareRoot()
    }
  }

  /// Compares values with those that should be there.
  ///
  /// - Parameters:
  ///   - x: The values to be met.
  ///   - y: The values that are there, as many.
  ///   - blockLength: Pairs per block.
  ///   - errors: Receives Σ (x − y)² of each block; the last one may be shorter.
  ///   - level: The kernels to use; all give the same bits.
  /// - Returns: The sums over all pairs.
  package static func compare(
    _ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>, blockLength: Int,
    errors: UnsafeMutableBufferPointer<Float>, level: KernelLevel = .current
  ) -> Sums {
    precondition(level.isAvailable, "the level \(level) cannot run here")
    precondition(x.count == y.count && blockLength > 0, "pairs of values")
    precondition(errors.count == (x.count + blockLength - 1) / blockLength, "one number per block")
    var result = Sums()
    guard let a = x.baseAddress, let b = y.baseAddress, let out = errors.baseAddress else { return result }
    var sums = cbc_sums()
    cbc_compare(level.index, a, b, x.count, blockLength, out, &sums)
    result.xx = sums.xx
    result.yy = sums.yy
    result.xy = sums.xy
    result.ee = sums.ee
    return result
  }
}
