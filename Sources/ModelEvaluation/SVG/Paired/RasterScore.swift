/// How alike two rendered pictures of equal size are.
enum RasterScore {
  /// The ground that pictures are laid on: light grey, so that white counts.
  private static let ground = 200.0

  /// The luminance on the ground, from 0 to 255, by the weights of ITU-R BT.709 on sRGB values.
  private static func luminance(_ image: PixelImage) -> [Double] {
    (0..<(image.width * image.height)).map { pixel in
      let alpha = Double(image.rgba[4 * pixel + 3]) / 255
      let (r, g, b) = (image.rgba[4 * pixel], image.rgba[4 * pixel + 1], image.rgba[4 * pixel + 2])
      let value = 0.2126 * Double(r) + 0.7152 * Double(g) + 0.0722 * Double(b)
      return alpha * value + (1 - alpha) * ground
    }
  }

  /// The mean structural similarity over windows of 8 by 8 pixels every 4 pixels, of those windows where either
  /// picture has something; from 0 to 1.
  static func structure(_ a: PixelImage, _ b: PixelImage) -> Double {
    let (p, q) = (luminance(a), luminance(b))
    let (c1, c2) = (6.5025, 58.5225)
    var (sum, count) = (0.0, 0)
    for top in stride(from: 0, through: a.height - 8, by: 4) {
      for left in stride(from: 0, through: a.width - 8, by: 4) {
        var (sp, sq, pp, qq, pq) = (0.0, 0.0, 0.0, 0.0, 0.0)
        var isEmpty = true
        for y in top..<(top + 8) {
          for x in left..<(left + 8) {
            let pixel = y * a.width + x
            let (u, v) = (p[pixel], q[pixel])
            if a.rgba[4 * pixel + 3] != 0 || b.rgba[4 * pixel + 3] != 0 { isEmpty = false }
            sp += u
            sq += v
            pp += u * u
            qq += v * v
            pq += u * v
          }
        }
        if isEmpty { continue }
        let (mp, mq) = (sp / 64, sq / 64)
        let (vp, vq, cov) = (pp / 64 - mp * mp, qq / 64 - mq * mq, pq / 64 - mp * mq)
        sum += (2 * mp * mq + c1) * (2 * cov + c2) / ((mp * mp + mq * mq + c1) * (vp + vq + c2))
        count += 1
      }
    }
    return count == 0 ? 1 : max(0, sum / Double(count))
  }

  /// The overlap of the histograms of visible pixels, 6 levels per channel, weighted with opacity.
  static func colours(_ a: PixelImage, _ b: PixelImage) -> Double {
    func histogram(_ image: PixelImage) -> ([Double], Double) {
      var bins = Array(repeating: 0.0, count: 216)
      for pixel in 0..<(image.width * image.height) {
        let alpha = Double(image.rgba[4 * pixel + 3]) / 255
        guard alpha > 0 else { continue }
        func level(_ offset: Int) -> Int { (Int(image.rgba[4 * pixel + offset]) * 5 + 127) / 255 }
        bins[level(0) * 36 + level(1) * 6 + level(2)] += alpha
      }
      // Summed as the overlap is, so that equal pictures give exactly 1.
      return (bins, bins.reduce(0, +))
    }
    let (p, q) = (histogram(a), histogram(b))
    let most = max(p.1, q.1)
    return most == 0 ? 1 : zip(p.0, q.0).reduce(0) { $0 + min($1.0, $1.1) } / most
  }

  /// The F1 of edge pixels that have one in the other picture within two pixels.
  static func edges(_ a: PixelImage, _ b: PixelImage) -> Double {
    let (p, q) = (edgeMap(a), edgeMap(b))
    let (np, nq) = (p.count { $0 }, q.count { $0 })
    if np == 0, nq == 0 { return 1 }
    guard np > 0, nq > 0 else { return 0 }
    let (near, other) = (dilated(q, a.width, a.height), dilated(p, a.width, a.height))
    let precision = Double(zip(p, near).count { $0 && $1 }) / Double(np)
    let recall = Double(zip(q, other).count { $0 && $1 }) / Double(nq)
    return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0
  }

  /// Pixels where any of red, green, blue on the ground changes by more than an eighth of its range (Sobel).
  private static func edgeMap(_ image: PixelImage) -> [Bool] {
    let (w, h) = (image.width, image.height)
    var result = Array(repeating: false, count: w * h)
    for channel in 0..<3 {
      let values = (0..<(w * h)).map { pixel in
        let alpha = Double(image.rgba[4 * pixel + 3]) / 255
        return alpha * Double(image.rgba[4 * pixel + channel]) + (1 - alpha) * ground
      }
      for y in 1..<(h - 1) {
        for x in 1..<(w - 1) {
          func at(_ dx: Int, _ dy: Int) -> Double { values[(y + dy) * w + x + dx] }
          let gx = at(1, -1) + 2 * at(1, 0) + at(1, 1) - at(-1, -1) - 2 * at(-1, 0) - at(-1, 1)
          let gy = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1)
          if gx * gx + gy * gy > 128 * 128 { result[y * w + x] = true }
        }
      }
    }
    return result
  }

  /// The map with every pixel spread over two pixels around it.
  private static func dilated(_ map: [Bool], _ width: Int, _ height: Int) -> [Bool] {
    var result = map
    for y in 0..<height {
      for x in 0..<width where map[y * width + x] {
        for dy in max(0, y - 2)...min(height - 1, y + 2) {
          for dx in max(0, x - 2)...min(width - 1, x + 2) { result[dy * width + dx] = true }
        }
      }
    }
    return result
  }
}
