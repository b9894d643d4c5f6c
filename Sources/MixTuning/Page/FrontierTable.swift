internal import FileBytes

/// A table of a page; each row starts with a name.
struct FrontierTable {
  /// A cell.
  struct Cell {
    /// The content, as HTML.
    var html: String
    /// Its class in the style besides that of the column.
    var style = ""

    /// A number, or a dash in place of one.
    static func number(_ text: String?) -> Cell { Cell(html: text ?? "–") }
  }

  /// What stands above the columns, that of the names first.
  var heads: [String]
  /// The columns of numbers, which stand on the right.
  var numbers: Set<Int>
  /// What the table shows, for those who hear it.
  var label: String
  /// Whether rows become blocks on narrow screens; otherwise the table can be moved sideways.
  var stacks: Bool
  /// The rows.
  var rows: [(name: String, cells: [Cell])] = []

  /// The table.
  var html: String {
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
