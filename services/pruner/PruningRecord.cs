using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Sizing;
using Lathe.NN.Training;

namespace Lathe.Pruner;

/// <summary>What people want to see of a pruning; kept in the lineage of its checkpoint.</summary>
/// <param name="Layers">Every convolution and linear layer, in the graph's order.</param>
/// <param name="Path">Both sizes against their targets, <see cref="Pruning.Path"/>.</param>
/// <param name="Training">How training went; null in checkpoints of versions that did not keep it.</param>
/// <param name="Bits">Bits by layer, where they were chosen together with the channels; null elsewhere.</param>
public sealed record PruningRecord(
    IReadOnlyList<PrunedLayer> Layers, IReadOnlyList<SizePoint> Path, TrainingCourse? Training = null, IReadOnlyDictionary<string, int>? Bits = null)
{
    /// <summary>Compares a network with what surgery left of it.</summary>
    public static PruningRecord Of(NetworkGraph before, NetworkGraph after, IReadOnlyList<SizePoint> path, TrainingHistory training, IReadOnlyDictionary<string, int> bits)
    {
        var dense = Complexity.Of(before).Layers.ToDictionary(l => l.Node);
        var pruned = Complexity.Of(after).Layers.ToDictionary(l => l.Node);
        var layers = before.Nodes.Zip(after.Nodes)
            .Where(pair => Width(pair.First) > 0)
            .Select(pair => new PrunedLayer(
                pair.First.Name,
                Width(pair.First),
                Width(pair.Second),
                dense[pair.First.Name].Parameters,
                pruned[pair.First.Name].Parameters,
                dense[pair.First.Name].Multiplications,
                pruned[pair.First.Name].Multiplications));
        return new PruningRecord([.. layers], path, TrainingCourse.Of(training), bits.Count > 0 ? bits : null);
    }

    /// <summary>Reads what stands in a lineage; null where that is nothing, or of another version.</summary>
    public static PruningRecord? TryRead(JsonElement? records)
    {
        try
        {
            return records?.Deserialize<PruningRecord>(LatheJson.Options) is { Layers: not null, Path: not null } record ? record : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>As it stands in the lineage.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, LatheJson.Options);

    private static int Width(Node node) => node switch
    {
        Conv2d conv => conv.OutChannels,
        Linear linear => linear.OutFeatures,
        _ => 0,
    };
}

/// <summary>One layer before and after.</summary>
/// <param name="Layer">Name of the node.</param>
/// <param name="WidthBefore">Output channels.</param>
/// <param name="WidthAfter">Output channels.</param>
/// <param name="ParametersBefore">Its own, without its batch norm's.</param>
/// <param name="ParametersAfter">Its own, without its batch norm's.</param>
/// <param name="MultiplicationsBefore">For one image.</param>
/// <param name="MultiplicationsAfter">For one image.</param>
public sealed record PrunedLayer(
    string Layer,
    int WidthBefore,
    int WidthAfter,
    long ParametersBefore,
    long ParametersAfter,
    long MultiplicationsBefore,
    long MultiplicationsAfter);
