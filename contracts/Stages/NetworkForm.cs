using System.Text.Json;

namespace Lathe.Contracts;

/// <summary>
/// What is known of a network before it is computed: stages predict it for one another, so that a sweep is checked whole before
/// anything trains.
/// </summary>
/// <param name="Graph">
/// The network's graph as a checkpoint's header writes it. Its layers and their names hold. Its widths hold where
/// <paramref name="IsExact"/> is true; otherwise a pruning makes them narrower.
/// </param>
/// <param name="Sizes">Ranges of sizes by metric name, for example <c>parameters</c> and <c>multiplications</c>; a size that is missing is unknown.</param>
/// <param name="IsExact">True: widths and sizes are those that the network will have.</param>
public sealed record NetworkForm(JsonElement Graph, IReadOnlyDictionary<string, SizeRange> Sizes, bool IsExact = true);

/// <summary>What a size may come to.</summary>
/// <param name="Least">No network that leaves the stage is smaller.</param>
/// <param name="Most">No network that leaves the stage is larger.</param>
public sealed record SizeRange(double Least, double Most);
