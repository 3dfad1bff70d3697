using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Data;

namespace Lathe.Trainer;

/// <summary>The network that a training would start from, found before anything runs.</summary>
internal static class StartingNetwork
{
    /// <summary>Builds the zoo's network for the data set, or reads the store's.</summary>
    /// <param name="parameters">Name the model.</param>
    /// <param name="context">Names the data set.</param>
    /// <returns>Null where nothing is known of the data set on this machine.</returns>
    /// <exception cref="LatheException">There is no such model, or it does not fit the data set.</exception>
    public static NetworkGraph? Of(TrainParameters parameters, StageCheck context)
    {
        var isOwn = StoredModel.IsDigest(parameters.Model);
        if (!isOwn) Zoo.Entry(parameters.Model);
        if (FormOf(context, parameters.ImageSize) is not { } data) return null;
        try
        {
            if (!isOwn) return Zoo.Build(parameters.Model, data.Input, data.Classes);
            var graph = CheckpointHeader.Read(context.PathOf(parameters.Model)).Graph;
            OwnNetwork.CheckFits(graph, data.Input, data.Classes);
            return graph;
        }
        catch (LatheException misfit)
        {
            throw new LatheException($"does not fit {data.Name}: {misfit.Message}", misfit.Kind, misfit);
        }
    }

    private static DataSetForm? FormOf(StageCheck context, int imageSize) =>
        DataSets.FormOf(context.Dataset)
        ?? (context.FindData() is { } place ? DataSets.Open(context.Dataset, place, new ImageOptions(imageSize)).Form : null);
}
