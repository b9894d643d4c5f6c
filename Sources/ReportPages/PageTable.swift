internal import FileBytes

/// A table of a page; each row starts with a name.
package struct PageTable {
  /// A cell.
  package struct Cell {
    /// The content, as HTML.
    package var html: String
    /// Its class in the style besides that of the column.
    package var style = ""

    /// Creates a cell.
    package init(html: String, style: String = "") {
      self.html = html
      self.style = style
    }

    /// A number, or a dash in place of one.
    package static func number(_ text: String?) -> Cell { Cell(html: text ?? "–") }
  }

  /// What stands above the columns, that of the names first.
  package var heads: [String]
  /// The columns of numbers, which stand on the right.
  package var numbers: Set<Int>
  /// What the table shows, for those who hear it.
  package var label: String
  /// Whether rows become blocks on narrow screens; otherwise the table can be moved sideways.
  package var stacks: Bool
  /// The rows.
  package var rows: [(name: String, cells: [Cell])] = []

  /// Creates a table without rows.
  package init(heads: [String], numbers: Set<Int>, label: String, stacks: Bool) {
    self.heads = heads
    self.numbers = numbers
    self.label = label
    self.stacks = stacks
  }

  /// The table.
  package var html: String {
    let head = heads.enumerated().map { "<th scope=\"col\"\(style($0))>\($1)</th>" }.joined()
    let body = rows.map { name, cells in
      "<tr><th scope=\"row\">\(HTMLText.escaped(name))</th>"
        + cells.enumerated().map { place, cell in
          "<td\(style(place + 1, cell.style)) data-name=\"\(heads[place + 1])\"><span>\(cell.html)</span></td>"
        }.joined() + "</tr>\n"
    }
    return "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"\(label)\">"
      + "<table\(stacks ? " class=\"stack\"" : "")>\n<thead><tr>\(head)</tr></thead>\n<tbody>\n\(body.joined())</tbody></table></div>\n"
  }

  private func style(_ column: Int, _ own: String = "") -> String {
    let names = [numbers.contains(column) ? "n" : "", own].filter { !$0.isEmpty }
    return names.isEmpty ? "" : " class=\"\(names.joined(separator: " "))\""
  }
}
