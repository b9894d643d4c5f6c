/// What a drawing may cost before it is refused.
///
/// All limits are amounts of work, not of time, so that the same drawing is accepted or refused on every machine.
package struct SVGLimits: Hashable, Sendable {
  /// The most bytes of source.
  package var byteCount = 65_536
  /// The most elements.
  package var elementCount = 4_096
  /// The most numbers in paths, point lists and dash lists together.
  package var numberCount = 100_000
  /// The deepest nesting of elements.
  package var depth = 64
  /// The largest magnitude of a number; a larger one is an error of the drawing, not clamped.
  package var magnitude = 1e7
  /// The most elements drawn once `use`, `clip-path` and `mask` references are followed.
  package var expandedElementCount = 20_000
  /// The most points of flattened outlines.
  package var pointCount = 200_000
  /// The longest chain of references.
  package var referenceDepth = 24
  /// The most times that edges may cross scan lines when a mask is filled.
  package var crossingCount = 20_000_000
  /// The most dashes; a pattern that makes more is drawn as a solid line.
  package var dashCount = 20_000

  /// The limits for output of models.
  package init() {}
}
