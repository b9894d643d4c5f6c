/// AFFINE: the search for scale and minimum, x ≈ scale · code − negmin.
///
/// Used by Q2_K, Q4_K, Q5_K and by weighted Q4_1 and Q5_1. Candidates vary the
/// number of steps that the range is divided into; each gets its least-squares
/// scale and minimum, and the smallest weighted error wins.
struct AffineSearch {
  /// The largest code.
  var nmax: Int32
  /// Candidate `s` divides the range into `nmax + rmin + rdelta * s` steps.
  var rmin: Float
  /// See `rmin`.
  var rdelta: Float
  /// Candidates run from 0 to `steps`, inclusive.
  var steps: Int
  /// Absolute instead of squared errors.
  var absolute = false
  /// Candidates limit quotients before rounding them instead of the integers after it.
  ///
  /// The reference does so in weighted searches. Codes differ where a quotient leaves ±2^22.
  var limitsQuotients = false

  /// A scale, the negated minimum, and the codes.
  struct Fit {
    var scale: Float
    var negmin: Float
    var codes: [Int32]
  }

  /// Searches one sub-block `x` under weights `w`.
  func fit(_ x: [Float], _ w: [Float]) -> Fit {
    var low = x[0]
    var high = x[0]
    var sw = w[0]
    var sx = sw * x[0]
    for i in 1..<x.count {
      if x[i] < low { low = x[i] }
      if x[i] > high { high = x[i] }
      sw += w[i]
      sx += w[i] * x[i]
    }
    if low > 0 { low = 0 }
    if high <= low { return Fit(scale: 0, negmin: -low, codes: Array(repeating: 0, count: x.count)) }
    var inverse = Float(nmax) / (high - low)
    var scale = 1 / inverse
    var codes = x.map { PlainFloats.round(inverse * ($0 - low), 0...nmax) }
    var best = error(x, w, codes, scale, low)
    for s in 0...steps {
      // `low` is that of the best candidate so far: the reference does so, and it changes most results.
      inverse = ((rmin + rdelta * Float(s)) + Float(nmax)) / (high - low)
      let trial = x.map { value in
        let quotient = inverse * (value - low)
        return limitsQuotients
          ? PlainFloats.round(PlainFloats.limited(quotient, to: Float(nmax)))
          : PlainFloats.round(quotient, 0...nmax)
      }
      var sl: Float = 0
      var sl2: Float = 0
      var sxl: Float = 0
      for i in 0..<x.count {
        let l = Float(trial[i])
        let p = w[i] * l
        sl += p
        sl2 += p * l
        sxl += p * x[i]
      }
      let determinant = sw * sl2 - sl * sl
      guard determinant > 0 else { continue }
      var trialScale = (sw * sxl - sx * sl) / determinant
      var trialLow = (sl2 * sx - sl * sxl) / determinant
      if trialLow > 0 {
        trialLow = 0
        trialScale = sxl / sl2
      }
      let trialError = error(x, w, trial, trialScale, trialLow)
      if trialError < best {
        best = trialError
        codes = trial
        scale = trialScale
        low = trialLow
      }
    }
    return Fit(scale: scale, negmin: -low, codes: codes)
  }

  private func error(_ x: [Float], _ w: [Float], _ codes: [Int32], _ scale: Float, _ low: Float) -> Float {
    var sum: Float = 0
    for i in 0..<x.count {
      let e = (scale * Float(codes[i]) + low) - x[i]
      sum += w[i] * (absolute ? e.magnitude : e * e)
    }
    return sum
  }
}

/// The importance of each value: `q · sqrt(sigma2 + x²)`.
func importanceWeights(_ x: [Float], _ q: [Float], sigma2: Float) -> [Float] {
  zip(x, q).map { x, q in q * (sigma2 + x * x).squareRoot() }
}

/// The sum of squares in index order.
func squareSum(_ x: [Float]) -> Float {
  var sum: Float = 0
  for value in x { sum += value * value }
  return sum
}

/// The sum in index order.
func plainSum(_ x: [Float]) -> Float {
  var sum: Float = 0
  for value in x { sum += value }
  return sum
}

extension Array {
  /// The elements `part * length ..< (part + 1) * length`.
  func part(_ part: Int, of length: Int) -> [Element] { Array(self[part * length..<(part + 1) * length]) }
}
