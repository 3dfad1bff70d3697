namespace Lathe.Hosting;

/// <summary>JSON Schema of a parameter whose type says too little, one with a JSON converter of its own for example.</summary>
/// <param name="json">The schema, an object.</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class ParameterSchemaAttribute(string json) : Attribute
{
    public string Json { get; } = json;
}
