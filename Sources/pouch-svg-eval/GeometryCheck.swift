import CommandSupport
import FileBytes
import Foundation
import SVGAnalysis
import SVGRendering

/// Compares the geometry that scores are made of with librsvg's pictures, file by file.
enum GeometryCheck {
  private static let size = 256

  struct Result: Encodable {
    /// The file.
    var file: String
    /// The overlap (IoU) of the pixels that are more than half opaque; absent for refused files.
    var overlap: Double?
    /// Why it was refused.
    var refusal: String?
    /// What the sanitizer left out, which explains nothing about the overlap since both see the same.
    var removed: [String]
  }

  private struct Report: Encodable {
    /// The renderer and its version.
    var renderer: String
    /// Width and height of the pictures in pixels.
    var pixels: Int
    /// One entry for each file.
    var results: [Result]
  }

  static func run(folder: String, json: Bool) throws {
    guard FileSystem.kind(of: folder) == .folder else {
      throw FileError(
        .notFound, Fault(file: folder, expected: "a folder of SVG files", found: "no such folder"))
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".svg") }
      .sorted()
    guard !names.isEmpty else {
      throw FileError(.notFound, Fault(file: folder, expected: "files that end in .svg", found: "none"))
    }
    let renderer = try LibrsvgRenderer()
    let results = try names.map { try check("\(folder)/\($0)", name: $0, renderer) }
    if json {
      try JSONSchema.geometry.print(
        Report(renderer: "librsvg " + renderer.version, pixels: size, results: results))
    } else {
      print(results, renderer)
    }
  }

  private static func check(_ path: String, name: String, _ renderer: LibrsvgRenderer) throws -> Result {
    let file = try ReadableFile(path: path)
    let bytes = try file.bytes(at: 0, count: min(file.byteCount, 1 << 20))
    var result = Result(file: name, removed: [])
    do {
      let clean = try SanitizedSVG(try SVGReader.read(bytes))
      result.removed = clean.removals.map(\.subject)
      let own = try Drawing(clean).mask(width: size, height: size)
      let image = try renderer.render(clean, width: size, height: size)
      var rendered = CoverageMask(width: size, height: size)
      for index in rendered.values.indices { rendered.values[index] = Float(image.rgba[4 * index + 3]) / 255 }
      result.overlap = own.overlap(rendered)
    } catch let error as any FaultError {
      result.refusal = error.fault.description
    }
    return result
  }

  private static func print(_ results: [Result], _ renderer: LibrsvgRenderer) {
    let overlaps = results.compactMap(\.overlap).sorted()
    let refused = results.filter { $0.refusal != nil }
    Standard.output("files      \(results.count), \(overlaps.count) compared, \(refused.count) refused")
    Standard.output(
      "renderer   librsvg \(renderer.version), \(size) x \(size) pixels, opacity above one half")
    if !overlaps.isEmpty {
      func percentile(_ share: Double) -> String {
        decimals(overlaps[min(Int(share * Double(overlaps.count)), overlaps.count - 1)], 4)
      }
      Standard.output(
        "overlap    median \(percentile(0.5)), 10 % below \(percentile(0.1)), 1 % below \(percentile(0.01)), least \(percentile(0))"
      )
      for limit in [0.999, 0.99, 0.98, 0.95, 0.9] {
        let count = overlaps.count { $0 >= limit }
        Standard.output(
          "  at least \(limit): \(count), \(decimals(100 * Double(count) / Double(overlaps.count), 2)) %")
      }
    }
    let low = results.filter { $0.overlap ?? 1 < 0.98 }.sorted {
      ($0.overlap ?? 1, $0.file) < ($1.overlap ?? 1, $1.file)
    }
    if !low.isEmpty { Standard.output("below 0.98") }
    for result in low { Standard.output("  \(result.file): \(decimals(result.overlap ?? 0, 4))") }
    if !refused.isEmpty { Standard.output("refused") }
    for result in refused { Standard.output("  \(result.file): \(result.refusal ?? "")") }
  }
}
