# The manifests of k8s/; included by CMakeLists.txt beside it. The first two render them in seconds, the
# third starts a broker and a process for each role.
millrace_deploy_test(k8s_test COST 10)
millrace_deploy_test(k8s_wiring_test COST 10)
millrace_deploy_test(k8s_kafka_test COST 60)
