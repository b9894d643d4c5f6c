/// SYMQ and SYM3: scales of symmetric codes, x ≈ scale · code with −nmax ≤ code < nmax.
enum SymmetricSearch {
  /// SYMQ: tries 19 scales around the one that maps the peak to −nmax.
  ///
  /// - Returns: The scale, and the codes plus `nmax`; codes of a negligible block are 0, not `nmax`.
  static func fit(_ x: [Float], _ weights: [Float]?, nmax: Int32) -> (scale: Float, codes: [Int32]) {
    let (top, peak) = PlainFloats.peak(x)
    if top < negligible { return (0, Array(repeating: 0, count: x.count)) }
    let w = weights ?? x.map { $0 * $0 }
    func sums(_ codes: [Int32]) -> (slx: Float, sl2: Float) {
      var slx: Float = 0
      var sl2: Float = 0
      for i in 0..<x.count {
        let l = Float(codes[i])
        slx += (w[i] * x[i]) * l
        sl2 += (w[i] * l) * l
      }
      return (slx, sl2)
    }
    func codes(_ inverse: Float) -> [Int32] { x.map { PlainFloats.round(inverse * $0, -nmax...nmax - 1) } }

    var bestCodes = codes(Float(-nmax) / peak)
    var (slx, sl2) = sums(bestCodes)
    var scale = sl2 != 0 ? slx / sl2 : 0
    var best = scale * slx
    for s in -9...9 where s != 0 {
      let trial = codes(-(Float(nmax) + 0.1 * Float(s)) / peak)
      (slx, sl2) = sums(trial)
      if sl2 > 0 && slx * slx > best * sl2 {
        bestCodes = trial
        scale = slx / sl2
        best = scale * slx
      }
    }
    return (scale, bestCodes.map { $0 + nmax })
  }

  /// SYM3: codes −4…3 of 16 values, refined one at a time while the fit improves; used by unweighted Q3_K.
  ///
  /// - Returns: The scale, and the codes plus 4.
  static func refined(_ x: [Float]) -> (scale: Float, codes: [Int32]) {
    let (top, peak) = PlainFloats.peak(x)
    if top < negligible { return (0, Array(repeating: 0, count: x.count)) }
    var codes = x.map { PlainFloats.round(-4 / peak * $0, -4...3) }
    let w = x.map { $0 * $0 }
    var slx: Float = 0
    var sl2: Float = 0
    for i in 0..<x.count {
      let l = Float(codes[i])
      slx += (w[i] * x[i]) * l
      sl2 += (w[i] * l) * l
    }
    for _ in 0..<5 {
      var changed = false
      for i in 0..<x.count {
        let l = Float(codes[i])
        var a = slx - (w[i] * x[i]) * l
        guard a > 0 else { continue }
        var b = sl2 - (w[i] * l) * l
        let k = PlainFloats.round((x[i] * b) / a, -4...3)
        guard k != codes[i] else { continue }
        a += (w[i] * x[i]) * Float(k)
        b += (w[i] * Float(k)) * Float(k)
        if b > 0 && (a * a) * sl2 > (slx * slx) * b {
          codes[i] = k
          slx = a
          sl2 = b
          changed = true
        }
      }
      if !changed { break }
    }
    return (sl2 > 0 ? slx / sl2 : 0, codes.map { $0 + 4 })
  }
}
