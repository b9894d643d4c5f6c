/// POSQ: weighted quantization of non-negative numbers, the scales or minima of a super-block.
enum PositiveSearch {
  /// Returns the scale and one code per number of `x`; codes are bytes and not limited to `nmax` when a number is
  /// negative.
  static func fit(_ x: [Float], _ w: [Float], nmax: Int32) -> (scale: Float, codes: [UInt8]) {
    var top: Float = 0
    for value in x { top = top > value ? top : value }
    var codes = [UInt8](repeating: 0, count: x.count)
    if top < negligible { return (0, codes) }
    var inverse = Float(nmax) / top
    let scale = 1 / inverse
    var best: Float = 0
    for i in 0..<x.count {
      let l = UInt8(truncatingIfNeeded: PlainFloats.round(inverse * x[i]))
      let d = x[i] - scale * Float(l)
      best += (w[i] * d) * d
    }
    for s in -4...4 where s != 0 {
      let trial = (0.1 * Float(s) + Float(nmax)) / top
      let trialScale = 1 / trial
      var error: Float = 0
      for i in 0..<x.count {
        let d = x[i] - trialScale * Float(min(nmax, PlainFloats.round(trial * x[i])))
        error += (w[i] * d) * d
      }
      if error < best {
        best = error
        inverse = trial
      }
    }
    var slx: Float = 0
    var sl2: Float = 0
    for i in 0..<x.count {
      let l = min(nmax, PlainFloats.round(inverse * x[i]))
      codes[i] = UInt8(truncatingIfNeeded: l)
      slx += (w[i] * x[i]) * Float(l)
      sl2 += (w[i] * Float(l)) * Float(l)
    }
    for _ in 0..<5 {
      var changed = false
      for i in 0..<x.count {
        let l = Float(codes[i])
        var a = slx - (w[i] * x[i]) * l
        var b = sl2 - (w[i] * l) * l
        guard a > 0, b > 0 else { continue }
        let k = min(nmax, PlainFloats.round((x[i] * b) / a))
        guard k != Int32(codes[i]) else { continue }
        a += (w[i] * x[i]) * Float(k)
        b += (w[i] * Float(k)) * Float(k)
        if (a * a) * sl2 > (slx * slx) * b {
          codes[i] = UInt8(truncatingIfNeeded: k)
          slx = a
          sl2 = b
          changed = true
        }
      }
      if !changed { break }
    }
    return (sl2 > 0 ? slx / sl2 : 0, codes)
  }
}
