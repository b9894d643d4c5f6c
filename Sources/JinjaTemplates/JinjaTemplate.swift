package import Foundation
internal import Synchronization

/// A Jinja template as chat templates use the language.
///
/// It gives the text that Python's `jinja2` gives the way the `transformers` library sets it up: a sandbox that
/// changes no lists and dictionaries, `trim_blocks` and `lstrip_blocks`, `break` and `continue`, `generation` blocks,
/// and the functions `raise_exception`, `strftime_now` and `tojson` as defined there. Templates come out of downloaded
/// files: whatever they hold, reading and rendering end with a text or an error, within ``JinjaLimits``.
package struct JinjaTemplate: Sendable {
  let body: Body
  let names: [String]
  let hidden: [[Int]]

  /// Reads a template.
  ///
  /// - Parameter source: The template's text.
  /// - Throws: ``TemplateError`` with `syntax`, `notSupported` or `limit`.
  package init(_ source: String) throws(TemplateError) {
    self = try LargeStack.run {
      var parser = try Parser(source)
      let body = try parser.template()
      return JinjaTemplate(
        body: body, names: parser.names,
        hidden: NameAnalysis.hidden(in: body, bodyCount: parser.bodyCount, names: parser.names))
    }
  }

  private init(body: Body, names: [String], hidden: [[Int]]) {
    self.body = body
    self.names = names
    self.hidden = hidden
  }

  /// Renders the template.
  ///
  /// - Parameters:
  ///   - variables: What the template is given, by name.
  ///   - date: The time that `strftime_now` writes.
  ///   - timeZone: Where the time is looked up; that of this machine, as C tells it, when `nil`.
  ///   - limits: What the template may use up.
  /// - Returns: The text.
  /// - Throws: ``TemplateError``.
  package func render(
    _ variables: [String: JinjaValue], date: Date = Date(), timeZone: TimeZone? = nil,
    limits: JinjaLimits = JinjaLimits()
  ) throws(TemplateError) -> String {
    try LargeStack.run {
      // The clock on the wall there, as if it were in Greenwich.
      let offset = Double(timeZone?.secondsFromGMT(for: date) ?? DateFormat.localOffset(at: date))
      let interpreter = Interpreter(self, date: date.addingTimeInterval(offset), limits: limits)
      return try interpreter.render(variables)
    }
  }
}

/// Runs work on a thread whose stack suits recursion as deep as the limits allow.
enum LargeStack {
  private final class Outcome<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, TemplateError>>(.failure(TemplateError(.type, "nothing was done")))
  }

  static func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) throws(TemplateError)
    -> Value
  {
    let outcome = Outcome<Value>()
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
      let result: Result<Value, TemplateError>
      do {
        result = .success(try work())
      } catch let error as TemplateError {
        result = .failure(error)
      } catch {
        result = .failure(TemplateError(.type, "\(error)"))
      }
      outcome.result.withLock { $0 = result }
      done.signal()
    }
    thread.stackSize = JinjaLimits.stackSize
    thread.start()
    done.wait()
    return try outcome.result.withLock { $0 }.get()
  }
}
