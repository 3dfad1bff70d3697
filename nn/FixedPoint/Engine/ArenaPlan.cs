namespace Lathe.NN.FixedPoint.Engine;

/// <summary>Where each tensor of a network lies in one piece of memory; tensors that are never needed at once share room.</summary>
/// <param name="Offsets">First byte of each tensor, a multiple of 32.</param>
/// <param name="Length">Bytes in all.</param>
public sealed record ArenaPlan(IReadOnlyList<int> Offsets, int Length)
{
    private const int Alignment = 32;

    /// <summary>Places the largest tensors first, each as low as those allow that live at the same time.</summary>
    public static ArenaPlan Of(FixedPointNetwork network)
    {
        var count = network.Tensors.Count;
        var (first, last) = (new int[count], new int[count]);
        for (var i = 0; i < network.Steps.Count; i++)
        {
            var step = network.Steps[i];
            if (step.Output >= 0) first[step.Output] = last[step.Output] = i + 1;
            foreach (var input in step.Inputs) last[input] = i + 1;
        }

        var offsets = new int[count];
        var placed = new List<int>();
        foreach (var tensor in Enumerable.Range(0, count).OrderByDescending(t => network.Tensors[t].Length).ThenBy(t => t))
        {
            var offset = 0;
            foreach (var other in placed.Where(o => first[o] <= last[tensor] && first[tensor] <= last[o]).OrderBy(o => offsets[o]))
            {
                if (offset + network.Tensors[tensor].Length <= offsets[other]) break;
                offset = Math.Max(offset, Aligned(offsets[other] + network.Tensors[other].Length));
            }

            offsets[tensor] = offset;
            placed.Add(tensor);
        }

        return new ArenaPlan(offsets, Enumerable.Range(0, count).Max(t => Aligned(offsets[t] + network.Tensors[t].Length)));
    }

    private static int Aligned(int bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}
