import FileBytes
import Foundation
import SVGAnalysis
import SVGRendering
import TestSupport
import Testing

@Suite("Hostile drawings")
struct HostileTests {
  @Test("there are at least fifty of them")
  func count() { #expect(HostileDrawing.all.count >= 50) }

  @Test("each is refused or neutralised within limits", arguments: HostileDrawing.all)
  func neutralised(drawing: HostileDrawing) throws {
    let clock = ContinuousClock()
    let start = clock.now
    var outcome: String
    do {
      let clean = try SanitizedSVG(try SVGReader.read(drawing.bytes))
      outcome =
        clean.removals.map(\.kind).contains(.forbidden)
        ? "forbidden" : clean.removals.isEmpty ? "clean" : "unsupported"
      expectHarmless(clean)
      _ = try Drawing(clean)
      let image = try LibrsvgRenderer().render(clean, width: 64, height: 64)
      #expect(image.rgba.count == 64 * 64 * 4)
    } catch let error as RenderingError {
      // Sixty nested scales make a map that librsvg finds singular.
      #expect(error.code == .refused && drawing.name == "scale-tower")
      outcome = "clean"
    } catch let error as SVGError {
      outcome = error.code.rawValue
    }
    #expect(outcome == drawing.expect)
    #expect(clock.now - start < .seconds(10))
  }

  /// Everything that is written is on the lists, whatever the sanitizer did.
  private func expectHarmless(_ clean: SanitizedSVG) {
    let text = clean.text()
    let lowered = text.lowercased()
    for bad in [
      "<script", "foreignobject", "<image", "<iframe", "<style", "javascript:", "http://127", "file:",
      "data:",
    ] {
      #expect(!lowered.contains(bad), "\(bad) in \(text)")
    }
    clean.root.forEach { node in
      for attribute in node.attributes {
        #expect(!attribute.name.lowercased().hasPrefix("on"))
        if attribute.name == "href" { #expect(attribute.value.hasPrefix("#")) }
        if attribute.value.contains("url(") { #expect(attribute.value.hasPrefix("url(#")) }
      }
    }
  }

  @Test("random damage never crashes or hangs", arguments: 0..<40)
  func damage(seed: Int) throws {
    let source =
      Array(
        #"<svg viewBox="0 0 72 72"><g fill="red" transform="rotate(3 4 5)"><path d="M1 2a3 4 5 0 1 6 7z"/>"#
          .utf8)
      + Array(##"<use href="#a"/></g><circle id="a" cx="3" cy="4" r="5" style="fill:#abc"/></svg>"##.utf8)
    var generator = SeededGenerator(seed: UInt64(seed))
    for _ in 0..<fuzzRounds(60) {
      var bytes = source
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: place)
        default: bytes.insert(contentsOf: bytes[place...].prefix(7), at: place)
        }
      }
      let output = String(decoding: bytes, as: UTF8.self)
      if let found = SVGExtraction.find(in: output), let clean = try? SanitizedSVG(source: found.source) {
        expectHarmless(clean)
        _ = try? Drawing(clean)
      }
      _ = SVGLexer(bytes)
    }
  }
}
