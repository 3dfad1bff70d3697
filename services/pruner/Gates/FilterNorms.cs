using Lathe.Graph;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Gates;

/// <summary>How large filters are beside the others of their layer.</summary>
internal static class FilterNorms
{
    /// <summary>Mean |w| of each channel's filter over the mean |w| of its layer; over several layers that make one channel, their mean.</summary>
    /// <param name="groups">Channel groups.</param>
    /// <param name="weights">The network's parameters.</param>
    /// <returns>By group and gate; 1 in the mean of a layer, 0 where no layer with weights makes the channel.</returns>
    public static IReadOnlyList<double[]> Of(ChannelGroups groups, IReadOnlyDictionary<string, Parameter> weights)
    {
        var norms = groups.Groups.SelectMany(g => g.Producers).Distinct().ToDictionary(node => node, node => Relative(weights[$"{node}.weight"]));
        return [.. groups.Groups.Select(group => group.Gates
            .Select(gate => groups.Gates[gate].Producers.Select(p => norms[p.Node][p.Channel]).DefaultIfEmpty(0).Average())
            .ToArray())];
    }

    private static double[] Relative(Tensor weight)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var filters = weight.detach().abs().flatten(1).mean([1]).cpu().data<float>().ToArray();
        var mean = Math.Max(filters.Average(), float.Epsilon);
        return [.. filters.Select(norm => (double)norm / mean)];
    }
}
