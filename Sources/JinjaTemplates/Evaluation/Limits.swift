/// What a template may use up; hostile ones are stopped with an error, whatever they try.
package struct JinjaLimits: Hashable, Sendable {
  /// Steps of evaluation, a step being about what an operator takes; this many take some seconds.
  package var steps = 10_000_000
  /// Bytes of the rendered text.
  package var outputSize = 64 << 20
  /// Expressions, statements and macros inside each other while running.
  package var depth = 500

  /// The defaults.
  package init() {}

  /// Bytes of stack that the depth needs, with room to spare in builds that are not optimized.
  static let stackSize = 64 << 20
}
