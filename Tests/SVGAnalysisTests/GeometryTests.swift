import SVGAnalysis
import SVGRendering
import Testing

@Suite("Geometry")
struct GeometryTests {
  private func drawing(_ body: String, viewBox: String = "0 0 72 72") throws -> Drawing {
    try Drawing(try SanitizedSVG(source: "<svg viewBox='\(viewBox)'>\(body)</svg>"))
  }

  private func isClose(_ box: Box, _ expected: [Double], within tolerance: Double = 0.02) -> Bool {
    zip([box.minX, box.minY, box.maxX, box.maxY], expected).allSatisfy { abs($0 - $1) <= tolerance }
  }

  @Test(
    "boxes of shapes",
    arguments: [
      ("<circle cx='10' cy='20' r='5'/>", [5.0, 15, 15, 25]),
      ("<rect x='1' y='2' width='3' height='4'/>", [1, 2, 4, 6]),
      ("<ellipse cx='9' cy='9' rx='3' ry='5'/>", [6, 4, 12, 14]),
      ("<line x1='1' y1='5' x2='9' y2='5' stroke='red' stroke-width='2'/>", [1, 4, 9, 6]),
      ("<polygon points='0,0 10,0 5,8'/>", [0, 0, 10, 8]),
      ("<path d='M0 0C0 20 10 20 10 0z'/>", [0, 0, 10, 15]),
      (
        "<rect width='10' height='10' fill='none' stroke='red' stroke-width='2' x='5' y='5'/>",
        [4, 4, 16, 16]
      ),
      ("<g transform='translate(10 10) scale(2)'><rect width='3' height='4'/></g>", [10, 10, 16, 18]),
      ("<rect width='50%' height='25%'/>", [0, 0, 36, 18]),
      ("<defs><rect id='a' width='2' height='2'/></defs><use href='#a' x='7' y='8'/>", [7, 8, 9, 10]),
      (
        "<svg x='10' y='10' width='20' height='10' viewBox='0 0 2 2'><rect width='2' height='2'/></svg>",
        [15, 10, 25, 20]
      ),
      ("<path d='M10 10h0' stroke='red' stroke-width='4' stroke-linecap='round'/>", [8, 8, 12, 12]),
      ("<path d='M10 10h10' stroke='red' stroke-width='4' stroke-linecap='square'/>", [8, 8, 22, 12]),
      (
        "<clipPath id='c'><rect width='5' height='5'/></clipPath><rect width='9' height='9' clip-path='url(#c)'/>",
        [0, 0, 5, 5]
      ),
    ])
  func boxes(body: String, expected: [Double]) throws {
    let shape = try #require(try drawing(body).shapes.last)
    #expect(isClose(shape.box, expected), "\(shape.box)")
  }

  @Test(
    "what is not seen is no shape",
    arguments: [
      "<rect width='0' height='4'/>", "<circle r='-1'/>", "<rect width='3' height='3' fill='none'/>",
      "<rect width='3' height='3' display='none'/>", "<g opacity='0'><rect width='3' height='3'/></g>",
      "<rect width='3' height='3' visibility='hidden'/>", "<path d=''/>",
      "<defs><rect width='3' height='3'/></defs>",
      "<line x2='5' y2='5'/>", "<g transform='scale(0)'><rect width='3' height='3'/></g>",
      "<rect width='3' height='3' fill='url(#missing)'/>", "<use href='#missing'/>",
    ])
  func unseen(body: String) throws { #expect(try drawing(body).shapes.isEmpty) }

  @Test("colours are inherited, opacities multiplied, gradients averaged")
  func colours() throws {
    let shapes = try drawing(
      """
      <linearGradient id='g'><stop stop-color='#000'/><stop offset='1' stop-color='#fff'/></linearGradient>
      <g fill='red' opacity='.5' color='lime'><rect width='9' height='9' fill-opacity='.5'/>
      <rect width='9' height='9' fill='currentColor'/><rect width='9' height='9' fill='url(#g)'/></g>
      """
    ).shapes
    #expect(shapes.map { $0.fill?.hexText } == ["#ff0000", "#00ff00", "#808080"])
    #expect(shapes.compactMap { $0.fill?.alpha } == [0.25, 0.5, 0.5])
  }

  @Test("the front shape at a point")
  func hits() throws {
    let drawing = try drawing(
      "<rect width='72' height='72' fill='white'/><circle cx='20' cy='20' r='10' fill='red' stroke='blue' stroke-width='4'/>"
    )
    #expect(drawing.colour(at: Point(20, 20))?.hexText == "#ff0000")
    #expect(drawing.colour(at: Point(30, 20))?.hexText == "#0000ff")
    #expect(drawing.colour(at: Point(40, 20))?.hexText == "#ffffff")
    #expect(drawing.colour(at: Point(99, 20)) == nil)
  }

  @Test(
    "areas of masks",
    arguments: [
      ("<rect x='10' y='10' width='20' height='30'/>", 600.0), ("<circle cx='36' cy='36' r='20'/>", 1256.6),
      ("<path d='M0 0h40v40h-40zM10 10h20v20h-20z' fill-rule='evenodd'/>", 1200),
      ("<path d='M0 0h40v40h-40zM10 10h20v20h-20z'/>", 1600),
      ("<path d='M0 0h40v40h-40zM10 10v20h20v-20z'/>", 1200),
      ("<path d='M10 36h40' stroke='red' stroke-width='4' stroke-dasharray='5'/>", 80),
      ("<rect x='1' y='1' width='9' height='9'/><rect x='1' y='1' width='9' height='9'/>", 81),
    ])
  func areas(body: String, expected: Double) throws {
    let mask = try drawing(body).mask(width: 72, height: 72)
    let area = mask.values.reduce(0) { $0 + Double($1) }
    #expect(abs(area - expected) < max(1, expected * 0.01), "\(area)")
  }

  /// Drawings that exercise what geometry can get wrong; the mask must be librsvg's.
  private static let tricky = [
    "<path d='M10 10C20 60 50-20 60 50S70 20 40 66' fill='none' stroke='red' stroke-width='5'/>",
    "<path d='M10 40Q20 5 30 40T50 40T66 20' fill='none' stroke='red' stroke-width='3' stroke-linejoin='round' stroke-linecap='round'/>",
    "<path d='M36 5a31 31 0 1 0 20 8l-8 20a12 25 30 0 1 -30 10z'/>",
    "<polyline points='10,60 20,10 30,60 36,20 62,58' fill='none' stroke='red' stroke-width='6'/>",
    "<polyline points='10,60 20,10 30,60 36,20 62,58' fill='none' stroke='red' stroke-width='6' stroke-linejoin='bevel' stroke-linecap='square'/>",
    "<polygon points='10,60 30,10 50,60' fill='none' stroke='red' stroke-width='6' stroke-linejoin='miter' stroke-miterlimit='10'/>",
    "<rect x='5' y='9' width='60' height='40' rx='12' ry='6' transform='rotate(20 36 36)'/>",
    "<rect x='5' y='9' width='60' height='40' rx='50' fill='none' stroke='red' stroke-width='4' stroke-dasharray='9 4 2'/>",
    "<g transform='matrix(1 .4 -.3 .8 15 5)'><ellipse cx='30' cy='30' rx='25' ry='12' stroke='blue' stroke-width='6' fill='none'/></g>",
    "<g transform='scale(-1 1) translate(-72 0)'><path d='M10 10h30l10 40h-40z' stroke='red' stroke-width='5' fill='none'/></g>",
    "<path d='M36 4L58 68 2 26H70L14 68z' fill-rule='evenodd'/>", "<path d='M36 4L58 68 2 26H70L14 68z'/>",
    "<clipPath id='c'><circle cx='30' cy='30' r='20'/><use href='#r'/></clipPath><rect id='r' x='50' y='50' width='15' height='15'/><rect width='72' height='72' clip-path='url(#c)'/>",
    "<clipPath id='c' clipPathUnits='objectBoundingBox'><circle cx='.5' cy='.5' r='.4'/></clipPath><rect x='10' y='20' width='50' height='40' clip-path='url(#c)'/>",
    "<symbol id='s' viewBox='0 0 10 10'><circle cx='5' cy='5' r='5'/></symbol><use href='#s' x='10' y='20' width='40' height='30'/>",
    "<g opacity='.7'><rect x='9' y='9' width='40' height='40'/></g><rect x='30' y='30' width='40' height='40' fill-opacity='.3'/>",
    "<svg x='10' y='5' width='50' height='60' viewBox='0 0 20 20' preserveAspectRatio='xMaxYMin slice'><rect x='2' y='2' width='16' height='16'/></svg>",
    "<line x1='10%' y1='90%' x2='5in' y2='1cm' stroke='red' stroke-width='10%'/>",
    "<circle cx='36' cy='36' r='25' fill='none' stroke='red' stroke-width='8' stroke-dasharray='20 10' stroke-dashoffset='-7' stroke-linecap='round'/>",
    "<path d='M10 10h20v20H10zM40 40 l10 0 0 10z M60 10' stroke='red' stroke-width='3'/>",
    "<style>.a{fill:none;stroke:#000;stroke-width:4px}</style><path class='a' d='m20.5 48.5s-8-3.2-6-14c1-6 9-12 22-12s24 4 24 14-10 19-20 19'/>",
  ]

  @Test("masks are librsvg's", arguments: tricky)
  func masks(body: String) throws {
    let clean = try SanitizedSVG(source: "<svg viewBox='0 0 72 72'>\(body)</svg>")
    let own = try Drawing(clean).mask(width: 144, height: 144)
    let image = try LibrsvgRenderer().render(clean, width: 144, height: 144)
    var rendered = CoverageMask(width: 144, height: 144)
    for index in rendered.values.indices { rendered.values[index] = Float(image.rgba[4 * index + 3]) / 255 }
    #expect(own.overlap(rendered, threshold: 0.25) > 0.98)
    let difference = zip(own.values, rendered.values).reduce(0) { $0 + Double(abs($1.0 - $1.1)) }
    #expect(difference / Double(144 * 144) < 0.01, "\(difference)")
  }

  @Test("pictures have a PNG signature and straight colours")
  func pixels() throws {
    let clean = try SanitizedSVG(
      source:
        "<svg viewBox='0 0 4 4'><rect width='4' height='4' fill='#ff8000' opacity='.5'/><text y='4'>x</text></svg>"
    )
    let image = try LibrsvgRenderer().render(clean, width: 8, height: 8)
    #expect(image.png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    #expect(image.rgba[0] >= 254 && (126...129).contains(image.rgba[1]) && image.rgba[2] <= 1)
    #expect((127...128).contains(image.rgba[3]))
  }
}
