#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif
internal import FileBytes

/// What the unperturbed model says of the scored positions of a window: the left sides of many divergences.
///
/// With p the probabilities of the model and z the logits of another one, m the largest of these,
/// `KL = sum p_i ln p_i - sum p_i (z_i - m) + sum p_i * ln(sum exp(z_i - m))`: the first and the last factor are kept, and p in
/// f32. Sums are f64; what is left of rounding is below 1e-7 nats.
struct ReferenceWindow: Sendable {
  private let size: Int
  /// `[positions, vocabulary]`.
  private var probabilities: [Float] = []
  /// Of each position: the sum of the probabilities, and that of `p ln p`.
  private var sums: [(whole: Double, entropy: Double)] = []

  /// Starts without positions.
  ///
  /// - Parameter size: Values per row of logits.
  init(size: Int) { self.size = size }

  /// Bytes of a window.
  static func byteCount(positions: Int, size: Int) -> Int { 4 * positions * size }

  /// Positions.
  var count: Int { sums.count }

  /// Adds consecutive rows of logits.
  mutating func append(_ rows: UnsafeBufferPointer<Float>, threadCount: Int) {
    nonisolated(unsafe) let rows = rows
    let size = size
    let first = probabilities.count
    probabilities.append(contentsOf: rows)
    sums += probabilities.withUnsafeMutableBufferPointer { all in
      nonisolated(unsafe) let all = all
      return parallelMap(count: rows.count / size, threadCount: threadCount) { row in
        Self.normalize(
          UnsafeMutableBufferPointer(
            rebasing: all[(first + row * size)..<(first + (row + 1) * size)]))
      }
    }
  }

  /// Makes probabilities of logits.
  private static func normalize(_ row: UnsafeMutableBufferPointer<Float>) -> (whole: Double, entropy: Double)
  {
    let most = row.max() ?? 0
    let offset = most + Float(log(row.reduce(0.0) { $0 + Double(expf($1 - most)) }))
    var (whole, entropy) = (0.0, 0.0)
    for index in row.indices {
      let logarithm = row[index] - offset
      let probability = expf(logarithm)
      row[index] = probability
      whole += Double(probability)
      entropy += Double(probability) * Double(logarithm)
    }
    return (whole, entropy)
  }

  /// The sum of the divergences of consecutive positions.
  ///
  /// - Parameters:
  ///   - rows: Rows of another model's logits.
  ///   - first: The position of the first one.
  ///   - threadCount: Threads.
  /// - Returns: Nats, of each row.
  func divergences(of rows: UnsafeBufferPointer<Float>, from first: Int, threadCount: Int) -> [Double] {
    nonisolated(unsafe) let rows = rows
    return parallelMap(count: rows.count / size, threadCount: threadCount) { row in
      divergence(
        of: UnsafeBufferPointer(rebasing: rows[(row * size)..<((row + 1) * size)]), at: first + row)
    }
  }

  private func divergence(of row: UnsafeBufferPointer<Float>, at position: Int) -> Double {
    let most = row.max() ?? 0
    return probabilities.withUnsafeBufferPointer { all in
      let p = UnsafeBufferPointer(rebasing: all[(position * size)..<((position + 1) * size)])
      var (exponentials, cross) = (0.0, 0.0)
      for index in row.indices {
        let logit = row[index] - most
        exponentials += Double(expf(logit))
        cross += Double(p[index]) * Double(logit)
      }
      let (whole, entropy) = sums[position]
      return entropy - cross + whole * log(exponentials)
    }
  }
}
