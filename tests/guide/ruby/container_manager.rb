# Ruby example
require 'net/http'
require 'json'
require 'base64'
class ContainerManager
  def initialize(base_url, username, password)
    @base_url = base_url
    @auth = Base64.encode64("#{username}:#{password}").strip
  end
  def control_action(cuid, action)
    uri = URI("#{@base_url}/containers/#{cuid}/#{action}")
    http = Net::HTTP.new(uri.host, uri.port)
    request = Net::HTTP::Post.new(uri)
    request['Authorization'] = "Basic #{@auth}"
    request['Content-Type'] = 'application/json'
    response = http.request(request)
    JSON.parse(response.body)
  end
  def start(cuid)
    control_action(cuid, 'start')
  end
  def stop(cuid)
    control_action(cuid, 'stop')
  end
  def restart(cuid)
    control_action(cuid, 'restart')
  end
  def pause(cuid)
    control_action(cuid, 'pause')
  end
  def unpause(cuid)
    control_action(cuid, 'unpause')
  end
end
# Usage
manager = ContainerManager.new('http://localhost:8080', 'admin', 'password')
manager.start('c123e4567-e89b-12d3-a456-426614174000')
