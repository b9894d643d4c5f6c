internal import ArgumentParser

/// The flags of commands that read all weights of a model on a hub.
package struct HubFlags: ParsableArguments {
  /// Whether the model is fetched into the cache first.
  @Flag(
    name: .customLong("keep"),
    help: "Fetch a model of the Hub into the local cache first, where other programs find it.")
  package var keeps = false

  /// Whether the weights are read once more for their hashes.
  @Flag(
    name: .customLong("verify-source"),
    help: "Read the weights of a model of the Hub once more and compare their SHA-256 first.")
  package var verifies = false

  /// Creates default flags, as the parser needs.
  package init() {}
}
