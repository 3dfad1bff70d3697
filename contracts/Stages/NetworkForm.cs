using System.Text.Json;

namespace Lathe.Contracts;

/// <summary>
/// What is known of a network before it is computed: stages predict it for one another, so that a sweep is checked whole before
/// anything trains.
/// </summary>
/// <param name="Graph">
/// The network's graph as a checkpoint's header writes it. Its layers and their names hold; its widths are those of the network that
/// entered where <paramref name="IsExact"/> is false.
/// </param>
/// <param name="Sizes">Figures by metric name, for example <c>parameters</c> and <c>multiplications</c>; at most these where not exact.</param>
/// <param name="IsExact">True: widths and sizes are those that the network will have. False: pruning will make it narrower.</param>
public sealed record NetworkForm(JsonElement Graph, IReadOnlyDictionary<string, double> Sizes, bool IsExact = true);

/// <summary>What is known of a data set without reading its images.</summary>
/// <param name="Name">Data set name.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Width">Width in pixels.</param>
/// <param name="Classes">Number of classes.</param>
public sealed record DataForm(string Name, int Channels, int Height, int Width, int Classes);
