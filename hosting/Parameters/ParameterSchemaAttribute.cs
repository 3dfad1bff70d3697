namespace Lathe.Hosting;

/// <summary>JSON Schema of a parameter whose type says too little, one with a JSON converter of its own for example.</summary>
/// <param name="json">The schema, an object.</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class ParameterSchemaAttribute(string json) : Attribute
{
    /// <summary>JSON Schema of the parameter.</summary>
    public string Json { get; } = json;
}

/// <summary>
/// The parameter takes the sweep's model: a name of the zoo, or the digest of a network in the store. A sweep's author names the model for
/// the whole sweep, not here. In the schema it is <see cref="Keyword"/>.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class SweepModelAttribute : Attribute
{
    /// <summary>Keyword of the schema that marks such a parameter.</summary>
    public const string Keyword = "x-lathe-model";
}

/// <summary>
/// The parameter names a file of weights. The command line takes the file into the store, and the stage gets its digest: the key of a
/// result depends on the content and not on the path. In the schema it is <see cref="Keyword"/>.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class WeightsFileAttribute : Attribute
{
    /// <summary>Keyword of the schema that marks such a parameter.</summary>
    public const string Keyword = "x-lathe-weights";
}
