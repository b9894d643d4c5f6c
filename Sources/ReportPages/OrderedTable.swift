internal import FileBytes

/// A table whose rows can be looked at in several orders, without a script.
///
/// Each order is a table of its own, and buttons choose the one that is shown. Browsers that cannot do that show the first.
package struct OrderedTable {
  /// An order of rows.
  package struct Order {
    /// What the button says.
    package var name: String
    /// The rows of the table, in this order.
    package var rows: [Int]

    /// Creates an order.
    package init(name: String, rows: [Int]) {
      self.name = name
      self.rows = rows
    }
  }

  private let table: PageTable
  private let orders: [Order]
  private let group: String

  /// Prepares a table.
  ///
  /// - Parameters:
  ///   - table: The table.
  ///   - orders: The orders; the first is shown at the start.
  ///   - group: The name of the group of buttons, one for each table of a page: letters.
  package init(_ table: PageTable, orders: [Order], group: String) {
    self.table = table
    self.orders = orders
    self.group = group
  }

  /// Whether there is something to choose.
  private var hasChoice: Bool { table.rows.count > 1 && orders.count > 1 }

  /// Buttons and tables.
  package var html: String {
    guard hasChoice else { return table.html }
    var text = "<fieldset class=\"choice\"><legend>Order</legend>"
    for (index, order) in orders.enumerated() {
      text +=
        "<label><input type=\"radio\" name=\"\(group)\" id=\"\(group)-\(index)\"\(index == 0 ? " checked" : "")>"
        + "<span>\(HTMLText.escaped(order.name))</span></label>"
    }
    text += "</fieldset>\n"
    for (index, order) in orders.enumerated() {
      var ordered = table
      ordered.rows = order.rows.map { table.rows[$0] }
      text += "<div class=\"\(group)-order \(group)-order-\(index)\">\(ordered.html)</div>\n"
    }
    return text
  }

  /// The rules that show one of the tables.
  package var style: String {
    guard hasChoice else { return "" }
    var text = "\n.\(group)-order:not(.\(group)-order-0) { display: none; }"
    for index in orders.indices.dropFirst() {
      text +=
        "\nbody:has(#\(group)-\(index):checked) .\(group)-order-0 { display: none; }"
        + " body:has(#\(group)-\(index):checked) .\(group)-order-\(index) { display: block; }"
    }
    return text
  }
}
