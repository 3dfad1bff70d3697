using Lathe.Contracts;

namespace Lathe.NN.FixedPoint.Engine;

/// <summary>Chooses how each step is run.</summary>
internal static class StepPreparation
{
    public static PreparedStep Prepare(IntegerStep step, FixedPointNetwork network, ArenaPlan plan, InstructionSet set)
    {
        var from = Array.ConvertAll([.. step.Inputs], Place);
        return step switch
        {
            MultiplyStep m when m.Output >= 0 && m.Shape.Groups > 1 && m.Shape.InChannels == m.Shape.Groups && m.Shape.OutChannels == m.Shape.Groups =>
                new PreparedDepthwise(m, from[0], Place(m.Output), set),
            MultiplyStep m => new PreparedMultiply(m, from[0], m.Output < 0 ? null : Place(m.Output), set),
            ChannelStep c => new PreparedChannels(c, from[0], Place(c.Output), set),
            SlopeStep p => new PreparedSlopes(p, from[0], Place(p.Output)),
            SumStep s => new PreparedSum(s, from, Place(s.Output)),
            ProductStep p => new PreparedProduct(p, from[0], from[1], Place(p.Output)),
            MeanStep m => new PreparedMean(m, from[0], Place(m.Output)),
            MaximumStep m => new PreparedMaximum(m, from[0], Place(m.Output)),
            TableStep t => new PreparedTable(t, from[0], Place(t.Output)),
            JoinStep j => new PreparedJoin(j, from, Place(j.Output)),
            PadStep p => new PreparedPad(p, from[0], Place(p.Output)),
            SubsampleStep s => new PreparedSubsample(s, from[0], Place(s.Output)),
            FlattenStep f => new PreparedFlatten(f, from[0], Place(f.Output)),
            LogitStep => new PreparedLogits(from[0]),
            _ => throw new LatheException($"the engine has no {step.GetType().Name}"),
        };

        Placed Place(int tensor) => new(network.Tensors[tensor], plan.Offsets[tensor]);
    }
}
