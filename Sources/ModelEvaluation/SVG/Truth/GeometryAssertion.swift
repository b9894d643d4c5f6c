/// Which shapes an assertion speaks of.
package struct ShapeSelector: Hashable, Sendable {
  /// `circle`, `square`, `rect`, `ellipse`, `triangle`, `line`, `text`, `any`, or the number of corners as `corners-5`.
  package var shape: String?
  /// A colour that the fill, or the stroke where there is none, can pass for.
  package var colour: String?
  /// The least size, as a share of the picture's larger side.
  package var minSize: Double?
  /// Takes only the largest so many.
  package var largest: Int?

  /// Creates a selector.
  package init(shape: String? = nil, colour: String? = nil, minSize: Double? = nil, largest: Int? = nil) {
    self.shape = shape
    self.colour = colour
    self.minSize = minSize
    self.largest = largest
  }
}

/// Something that must be true of a drawing, checkable by geometry.
package struct GeometryAssertion: Hashable, Sendable {
  /// The kinds of checks.
  package enum Check: String, CaseIterable, Hashable, Sendable {
    /// There are `equals` shapes, or at least `atLeast`.
    case count
    /// The centres lie on one horizontal line.
    case row
    /// The centres lie on one vertical line.
    case column
    /// From left to right the shapes have the colours `colours`.
    case coloursLeftToRight
    /// `of` lies left of `than`, centre to centre, by a twentieth of the picture at least.
    case leftOf
    /// `of` lies above `than`.
    case above
    /// `of` lies within the box of `than`.
    case inside
    /// The sizes agree within a tenth; with `than`, those of both.
    case sameSize
    /// The heights, from left to right, are as the `values`, within a twelfth of the largest.
    case heights
    /// The bottom edges lie on one line.
    case baseline
    /// The distances between neighbours agree.
    case evenSpacing
    /// The colour at (`x`, `y`), as shares of the content's box, is `colours[0]`.
    case colourAt
    /// The colour there is another than `colours[0]`.
    case notColourAt
    /// A line starts within an eighth of the picture of its middle and points in direction `angle` (degrees, clockwise from the top), within 8 degrees.
    case hand
    /// The line of `hand` for `angle` is longer than the one for `values[0]`.
    case longerHand
    /// The outline of the largest shape has `equals` corners.
    case corners
    /// A mark (shape or text) has its centre in cell (`x`, `y`) of a `columns` by `rows` grid over the content's box.
    case cellMarked
    /// No mark has its centre there.
    case cellEmpty
    /// Two round outlines of equal size stand on one line, apart from each other.
    case bicycleWheels
    /// Straight lines join the neighbourhoods of both wheels' centres.
    case bicycleFrame
    /// Something lies between the wheels, above their tops.
    case bicycleSaddle
    /// Part of the frame, or both wheels, have the colour `colours[0]`.
    case bicycleColour
    /// Something of at least half a wheel's size lies over the frame, above the wheels' tops.
    case bicycleRider

    /// What the check is about, in the words of tables.
    package var subject: String {
      switch self {
      case .count: "number"
      case .row, .column, .leftOf, .above, .inside, .baseline, .evenSpacing: "places"
      case .coloursLeftToRight, .colourAt, .notColourAt: "colours"
      case .sameSize, .heights: "sizes"
      case .hand, .longerHand: "clock hands"
      case .corners: "corners"
      case .cellMarked, .cellEmpty: "marks in cells"
      case .bicycleWheels, .bicycleFrame, .bicycleSaddle: "bicycle"
      case .bicycleColour: "its colour"
      case .bicycleRider: "something on it"
      }
    }
  }

  /// What is checked.
  package var check: Check
  /// The shapes in question; all when absent.
  package var of: ShapeSelector?
  /// The shapes compared with.
  package var than: ShapeSelector?
  /// A wanted number.
  package var equals: Int?
  /// A least number.
  package var atLeast: Int?
  /// Wanted colours.
  package var colours: [String]?
  /// Wanted values.
  package var values: [Double]?
  /// A share of the width, or a column from 0.
  package var x: Double?
  /// A share of the height, or a row from 0.
  package var y: Double?
  /// Degrees clockwise from the top.
  package var angle: Double?
  /// Columns of a grid.
  package var columns: Int?
  /// Rows of a grid.
  package var rows: Int?

  /// Creates an assertion.
  package init(_ check: Check, of selector: ShapeSelector? = nil) {
    self.check = check
    of = selector
  }

  /// What assertions are about, each subject once, in order.
  package static func subjects(_ assertions: [GeometryAssertion]) -> [String] {
    assertions.map(\.check.subject).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// The assertion in a few words.
  package var summary: String {
    var words = [check.rawValue]
    func describe(_ selector: ShapeSelector) -> String {
      [selector.largest.map { "largest \($0)" }, selector.colour, selector.shape ?? "shapes"].compactMap(
        \.self
      )
      .joined(separator: " ")
    }
    if let of { words.append(describe(of)) }
    if let than { words.append("/ " + describe(than)) }
    if let equals { words.append("= \(equals)") }
    if let atLeast { words.append(">= \(atLeast)") }
    if let colours { words.append(colours.joined(separator: ", ")) }
    if let values {
      words.append(values.map { $0 == $0.rounded() ? "\(Int($0))" : "\($0)" }.joined(separator: ", "))
    }
    if let x, let y { words.append("at \(x), \(y)") }
    if let angle { words.append("\(Int(angle))°") }
    return words.joined(separator: " ")
  }
}
