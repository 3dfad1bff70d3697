using Lathe.Hosting;
using Lathe.Quantizer;

return await StageHost.RunAsync<QuantizeStage, QuantizeParameters>(args);
